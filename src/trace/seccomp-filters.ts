import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscallName } from '../abi/syscalls.ts';
import { listThreads, readStatus } from './proc.ts';

/**
 * Data of SECCOMP_RET_TRACE in filters of callgate's own, by which a stop is known for theirs. Of several filters that want to stop a call
 * the kernel tells the data of the one that was installed last.
 */
export const STOP_DATA = 0xca11;

/** SECCOMP_MODE_FILTER, as /proc/PID/status shows it. */
const MODE_FILTER = '2';

/** Values of the first argument with which a call restricts its caller: SECCOMP_SET_MODE_STRICT and _FILTER, PR_SET_SECCOMP. */
const RESTRICTING: Readonly<Record<string, readonly (number | string)[]>> = { seccomp: [0, 1], prctl: [22] };

/** Whether what this process starts inherits a seccomp filter, as in a container. */
export function inheritsFilter(): boolean {
  return readStatus('self')?.get('Seccomp') === MODE_FILTER;
}

/** Whether a thread of a process is under a seccomp filter. */
export function isFiltered(pid: number): boolean {
  return listThreads(pid).some((tid) => readStatus(tid)?.get('Seccomp') === MODE_FILTER);
}

/** Whether a call with this value of its first argument asks for seccomp; `arch` indexes ARCHES. */
export function asksForSeccomp(arch: number, nr: number, value: number | string): boolean {
  return RESTRICTING[syscallName(ARCHES[arch] as Arch, nr) ?? '']?.includes(value) === true;
}

/** For a run that does not see what a filter denies; `who` is its subject, `the program inherits` or the like. */
export function denialsUnseen(who: string): string {
  return `${who} a seccomp filter: a call that it denies is not seen by --method ebpf (by --method ptrace it is)`;
}
