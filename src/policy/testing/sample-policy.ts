import { ARCHES, type Arch } from '../../abi/arch.ts';
import { identifyName } from '../call-label.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from '../model.ts';

/** A call in short: `openat`, `i386:open`. */
export function sampleCall(
  label: string,
  args: readonly Partial<PolicyArgument>[] = [],
  why: readonly string[] = [],
): PolicyCall {
  const [arch, name] = label.includes(':') ? label.split(':') : ['x86_64', label];
  const call = identifyName(ARCHES.find((each) => each === arch) ?? 'x86_64', name ?? '');
  if (call === null) throw new TypeError(`sample: no system call is called ${label}`);
  const rules = args.map((argument) => ({
    index: 0,
    name: null,
    width: 64 as const,
    values: [0n],
    free: 0n,
    ...argument,
  }));
  return { ...call, args: rules, why };
}

/** A phase that allows the calls of these names. */
export function samplePhase(name: string, names: string, fields: Partial<PolicyPhase> = {}): PolicyPhase {
  return {
    name,
    trigger: name === 'setup' ? null : `syscall:${name}`,
    calls: names
      .split(' ')
      .filter((each) => each !== '')
      .map((each) => sampleCall(each)),
    programs: [],
    ...fields,
  };
}

/** A policy for x86_64 with these phases. */
export function samplePolicy(phases: readonly PolicyPhase[], fields: Partial<Policy> = {}): Policy {
  return {
    format: 'callgate-policy',
    version: 1,
    generator: { name: 'callgate', version: '0.0.0' },
    sources: [],
    strict: 'observed',
    kernels: null,
    onViolation: 'errno:EPERM',
    arches: [{ arch: 'x86_64', newest: 450 }],
    enosys: [sampleCall('clone3')],
    groups: [],
    phases,
    ...fields,
  };
}

/** What every dynamically linked program needs, as names. */
export const LOADER_NAMES =
  'execve brk mmap mprotect munmap openat read pread64 close fstat arch_prctl set_tid_address set_robust_list rseq prlimit64 exit_group rt_sigreturn restart_syscall';

/** Names of the calls of a list, without those of other arches. */
export function namesOf(calls: readonly PolicyCall[], arch: Arch = 'x86_64'): readonly string[] {
  return calls.filter((call) => call.arch === arch).map(({ name, nr }) => name ?? `${nr}`);
}
