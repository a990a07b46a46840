import { errnoText } from '../../abi/errno.ts';
import { ARCHES } from '../../abi/arch.ts';
import { SystemCallError, UnsupportedError } from '../../base/errors.ts';
import { setOpenFilesLimit } from '../../sys/limits.ts';
import {
  PTRACE_CONT,
  PTRACE_EVENT_EXEC,
  PTRACE_SYSCALL,
  PTRACE_SYSCALL_INFO_ENTRY,
  PTRACE_SYSCALL_INFO_SECCOMP,
} from '../../sys/ptrace.ts';
import { assembleTrampoline } from '../../sys/trampoline.ts';
import { decodeStatus } from '../../sys/wait.ts';
import type { LaunchTarget } from '../backend.ts';
import { explainEnd, spawnLauncher } from '../launcher.ts';
import { STOP_DATA } from '../seccomp-filters.ts';
import { newAddressSpace } from './address-space.ts';
import type { Context } from './context.ts';
import type { Family } from './family.ts';
import { newTask, type Task } from './task.ts';

/** struct sock_filter { BPF_RET | BPF_K, SECCOMP_RET_TRACE }: one stop for every call of every arch. */
const TRACE_EVERYTHING = new Uint8Array([0x06, 0, 0, 0, STOP_DATA & 0xff, STOP_DATA >> 8, 0xf0, 0x7f]);

const SIGCONT = 18;
const SIGKILL = 9;
const SYS_execve = 59;
const X86_64 = ARCHES.indexOf('x86_64');

/** A program that has been started. */
export interface Launched {
  /** Stopped before its first instruction. */
  readonly task: Task;
  /** Arguments of the execve that started it, if that is outside of the policy of an audit; else null. */
  readonly outside: readonly bigint[] | null;
}

/**
 * Starts the program under the tracer.
 *
 * The clock of the run starts with the execve, which is recorded as the launcher's; nothing else of the launcher is.
 *
 * @throws LaunchError if execve fails; the launcher is gone then
 * @throws UnsupportedError if no_new_privs or the filter is refused
 */
export function launch(context: Context, family: Family, target: LaunchTarget): Launched {
  const { libc, ptrace, waiter, host, request, recorder } = context;
  const filtered = request.method === 'seccomp' && !context.inheritsFilter;
  const enforced = request.enforcement?.filters.find(({ phase, program }) => phase === 0 && program === null);
  const filter = enforced?.filter ?? (filtered ? TRACE_EVERYTHING : null);
  const image = assembleTrampoline({
    ignoredSignals: target.inherited.ignoredSignals,
    blockedSignals: target.inherited.blockedSignals,
    // A program that is locked down gains no privileges; one that is watched is to run as it does alone.
    noNewPrivs: enforced !== undefined || (filtered && !request.privileged),
    filter,
  });
  const pid = spawnLauncher(libc, target, image);
  try {
    waiter.child(pid);
    if (target.inherited.openFiles !== null) setOpenFilesLimit(libc, pid, target.inherited.openFiles);
    ptrace.seize(pid, context.options);
  } catch (error) {
    libc.kill(pid, SIGKILL);
    throw explainSeize(error, request.enforcement !== null);
  }
  // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
  libc.kill(pid, SIGCONT);
  const resume = filtered || enforced !== undefined ? PTRACE_CONT : PTRACE_SYSCALL;
  let outside: readonly bigint[] | null = null;
  for (;;) {
    waiter.tracee(pid);
    const status = decodeStatus(waiter.status);
    if (status.kind !== 'stopped') throw explainEnd(target, status, enforced !== undefined);
    if (status.event === PTRACE_EVENT_EXEC) break;
    if (ptrace.fetchSyscallInfo(pid) && isExecve(ptrace.op, ptrace.nr)) {
      host.startClock();
      // The filter of an audit stops nothing that the policy allows.
      if (enforced !== undefined) outside = [0, 1, 2, 3, 4, 5].map((index) => ptrace.argument(index));
    }
    ptrace.resume(resume, pid, 0);
  }
  if (enforced !== undefined) host.startClock();
  const process = family.begin(pid, 'start', 0);
  recorder.call(process, X86_64, SYS_execve, 0).launch = true;
  const task = newTask(pid, process, newAddressSpace());
  task.syscallStops = !filtered;
  context.tasks.set(pid, task);
  host.send({ kind: 'started', pid });
  return { task, outside };
}

function isExecve(op: number, nr: number): boolean {
  return (op === PTRACE_SYSCALL_INFO_ENTRY || op === PTRACE_SYSCALL_INFO_SECCOMP) && nr === SYS_execve;
}

/** What a refused PTRACE_SEIZE of a child of our own means; other errors are returned as they are. */
export function explainSeize(error: unknown, isEnforced: boolean): unknown {
  if (!(error instanceof SystemCallError) || error.request !== 'PTRACE_SEIZE') return error;
  const name = errnoText(error.errno);
  const why =
    name === 'EPERM' ? 'is callgate itself being traced? see callgate doctor' : 'see callgate doctor';
  return new UnsupportedError(
    `${isEnforced ? 'run' : 'trace'}: the kernel does not let callgate trace its own child, PTRACE_SEIZE gave ${name} (${why})`,
    { feature: 'ptrace', cause: error },
  );
}
