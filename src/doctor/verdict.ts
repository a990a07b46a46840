import type { Check, Purpose, Status } from './check.ts';
import { CAP } from '../abi/capabilities.ts';
import { haveCapability, type Facts } from './facts.ts';

/** Whether one way of tracing works. */
export interface MethodVerdict {
  /** `start` is `callgate trace -- PROGRAM`, `attach` is `callgate trace --pid PID`. */
  readonly command: 'start' | 'attach';
  readonly method: 'ebpf' | 'seccomp' | 'adaptive' | 'ptrace';
  /** Whether callgate takes this method unless told otherwise or asked for what it cannot do. */
  readonly isDefault: boolean;
  readonly status: Status;
  /** Names of the checks that keep it from being supported. */
  readonly missing: readonly string[];
  /** Which processes it reaches, or null if that goes without saying. */
  readonly reach: string | null;
}

/** Judges every method: the worst of the checks that it needs. */
export function judgeMethods(facts: Facts, checks: readonly Check[]): MethodVerdict[] {
  const ebpf = worst(checks, 'eBPF tracing');
  const isByEbpf = ebpf.status === 'supported';
  return [
    { command: 'start', method: 'ebpf', isDefault: isByEbpf, reach: null, ...ebpf },
    {
      command: 'start',
      method: 'seccomp',
      isDefault: !isByEbpf,
      reach: null,
      ...worst(checks, 'trace --method seccomp'),
    },
    {
      command: 'start',
      method: 'adaptive',
      isDefault: false,
      reach: null,
      ...worst(checks, 'trace --method seccomp'),
    },
    {
      command: 'start',
      method: 'ptrace',
      isDefault: false,
      reach: null,
      ...worst(checks, 'trace --method ptrace'),
    },
    { command: 'attach', method: 'ebpf', isDefault: isByEbpf, reach: 'any process', ...ebpf },
    {
      command: 'attach',
      method: 'ptrace',
      isDefault: !isByEbpf,
      reach: reachOf(facts),
      ...worst(checks, 'trace --pid'),
    },
  ];
}

function worst(checks: readonly Check[], purpose: Purpose): Pick<MethodVerdict, 'status' | 'missing'> {
  const open = checks.filter((check) => check.status !== 'supported' && check.neededFor.includes(purpose));
  const failed = open.filter((check) => check.status === 'unsupported');
  if (failed.length > 0) return { status: 'unsupported', missing: failed.map((check) => check.name) };
  return { status: open.length > 0 ? 'undetermined' : 'supported', missing: open.map((check) => check.name) };
}

function reachOf(facts: Facts): string {
  if (!haveCapability(facts, CAP.SYS_PTRACE)) return 'processes of this user';
  return facts.allUsersMapped === false ? 'processes of this user namespace' : 'any process';
}
