import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { ExitStatus } from '../profile/model.ts';

/** A shell command that exercises the traced program; not traced itself. */
export interface Workload {
  /** Resolves when it has ended. */
  readonly end: Promise<ExitStatus>;
  /** Ends it and everything that it started. */
  stop(): void;
}

/**
 * Starts a workload in a process group of its own; what it prints goes to stderr, for stdout is the program's.
 */
export function startWorkload(command: string): Workload {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 2, 2], detached: true });
  return { end: waitFor(child), stop: () => stopGroup(child) };
}

function waitFor(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ kind: 'exited', code: 127 }));
    child.once('exit', (code, signal) => {
      resolve(
        signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'signaled', signal, core: false },
      );
    });
  });
}

function stopGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, constants.signals.SIGTERM);
  } catch {
    // It ended in this moment.
  }
}
