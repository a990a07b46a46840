import type { ExitStatus } from '../../profile/model.ts';
import type { Libc } from '../../sys/libc.ts';
import { setOpenFilesLimit } from '../../sys/limits.ts';
import { assembleTrampoline } from '../../sys/trampoline.ts';
import { decodeStatus, type Waiter } from '../../sys/wait.ts';
import type { LaunchTarget } from '../backend.ts';
import { explainEnd, spawnLauncher } from '../launcher.ts';
import type { Attachment } from './attachment.ts';
import { TASK_LAUNCHING } from './layout.ts';
import { toExit } from './family.ts';

const SIGKILL = 9;
const SIGCONT = 18;

/** Number of the launcher's process entry, of which nothing is recorded. */
const LAUNCHER = 1;

/**
 * Starts the launcher of a program and lets `follow` tell the programs of it; it stands stopped, and its pid is returned.
 *
 * @throws SystemCallError, LaunchError, and what `follow` throws; nothing of it is left then
 */
export function startLauncher(
  libc: Libc,
  waiter: Waiter,
  target: LaunchTarget,
  follow: (pid: number) => void,
): number {
  const image = assembleTrampoline({
    ignoredSignals: target.inherited.ignoredSignals,
    blockedSignals: target.inherited.blockedSignals,
    noNewPrivs: false,
    filter: null,
  });
  const pid = spawnLauncher(libc, target, image);
  waiter.child(pid);
  const status = decodeStatus(waiter.status);
  if (status.kind !== 'stopped') throw explainEnd(target, status, false);
  try {
    if (target.inherited.openFiles !== null) setOpenFilesLimit(libc, pid, target.inherited.openFiles);
    follow(pid);
  } catch (error) {
    // Another method may be tried, which would wait for a child of which it does not know.
    // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
    libc.kill(pid, SIGKILL);
    waiter.child(pid);
    throw error;
  }
  return pid;
}

/** Tells the programs of a launcher. @throws SystemCallError */
export function followLauncher(attachment: Attachment, pid: number): void {
  attachment.follow(pid, [pid], LAUNCHER, TASK_LAUNCHING);
  attachment.setTreePhase(0, pid);
}

export function continueLauncher(libc: Libc, pid: number): void {
  // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
  libc.kill(pid, SIGCONT);
}

/**
 * Waits until the program that was started is a zombie, and takes its status.
 *
 * @throws LaunchError if it never came to be, because the launcher's execve failed
 */
export function reapRoot(waiter: Waiter, pid: number, target: LaunchTarget, hasBegun: boolean): ExitStatus {
  for (;;) {
    waiter.child(pid);
    const status = decodeStatus(waiter.status);
    if (status.kind === 'stopped') continue;
    // A signal that came before the execve is the program's own end, as if it had come just after.
    if (!hasBegun && status.kind !== 'signaled') throw explainEnd(target, status, false);
    return toExit(status);
  }
}
