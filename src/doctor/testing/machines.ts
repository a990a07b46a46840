import type { Answer, NativeFacts } from '../../sys/probe-facts.ts';
import { everyPtrace, PROBED_ACTIONS, PROBED_FLAGS } from '../../sys/probe-facts.ts';
import { CAP } from '../../abi/capabilities.ts';
import type { Facts, SelfFacts } from '../facts.ts';

/** Answers that kernels give. */
export const ENOSYS: Answer = { kind: 'error', errno: 38 };
export const EPERM: Answer = { kind: 'error', errno: 1 };
export const EINVAL: Answer = { kind: 'error', errno: 22 };
export const EIO: Answer = { kind: 'error', errno: 5 };
/** The answer of a probe that comes after one that failed. */
export const UNTRIED: Answer = { kind: 'untried', reason: 'an earlier step failed' };

const OK: Answer = { kind: 'value', value: 0 };
const EFAULT: Answer = { kind: 'error', errno: 14 };

/** A mask with these capabilities. */
export function capabilities(...names: (keyof typeof CAP)[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(CAP[name])), 0n);
}

/** The same answer for every key of a table. */
export function every(table: object, answer: Answer): Record<string, Answer> {
  return Object.fromEntries(Object.keys(table).map((name) => [name, answer]));
}

/** Changes to a machine on which everything works. */
export interface MachineChanges extends Partial<Omit<Facts, 'native' | 'self'>> {
  readonly self?: Partial<SelfFacts> | null;
  readonly native?: Partial<NativeFacts>;
}

/** A machine on which everything works for root, with changes. */
export function scriptMachine(changes: MachineChanges = {}): Facts {
  const self: SelfFacts = {
    effective: capabilities('DAC_READ_SEARCH', 'SYS_PTRACE', 'SYS_ADMIN', 'PERFMON', 'BPF'),
    bounding: capabilities('DAC_READ_SEARCH', 'SYS_PTRACE', 'SYS_ADMIN', 'PERFMON', 'BPF'),
    noNewPrivs: false,
    seccompMode: 0,
    seccompFilters: 0,
    tracerPid: 0,
  };
  const native: NativeFacts = {
    unavailable: null,
    glibc: '2.36',
    launcher: OK,
    ptrace: {
      ...everyPtrace(OK),
      syscallInfo: { kind: 'value', value: 34 },
      writeMemory: { kind: 'value', value: 4 },
    },
    seccomp: {
      actions: every(PROBED_ACTIONS, OK),
      flags: every(PROBED_FLAGS, EFAULT),
      traceStop: { kind: 'value', value: 59 },
    },
    getNoNewPrivs: OK,
    setNoNewPrivs: OK,
    i386: { kind: 'value', value: 42 },
    x32: OK,
    bpf: OK,
  };
  return {
    node: '20.20.2',
    machine: 'x86_64',
    kernel: '6.1.0-28-amd64',
    procOptions: ['rw'],
    yama: { kind: 'value', text: '0' },
    actionsAvailable: {
      kind: 'value',
      text: 'kill_process kill_thread trap errno user_notif trace log allow',
    },
    memfdNoexec: { kind: 'absent' },
    unprivilegedBpf: { kind: 'value', text: '2' },
    perfEventParanoid: { kind: 'value', text: '3' },
    containerHints: [],
    allUsersMapped: true,
    initialPids: true,
    btf: { kind: 'read', size: 5_000_000, sysEnter: true },
    ...changes,
    self: changes.self === null ? null : { ...self, ...changes.self },
    native: { ...native, ...changes.native },
  };
}
