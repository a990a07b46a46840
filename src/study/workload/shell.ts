import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';

/** Where and how commands of a workload run. */
export interface Surroundings {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What a command that ended did. */
export interface Ended {
  /** Exit code, 128 and the number for a signal; null if it was ended for taking too long. */
  readonly exit: number | null;
  /** Nanoseconds. */
  readonly duration: number;
}

/** A shell command that runs. */
export interface Running {
  readonly ended: Promise<Ended>;
  /** Ends it and what is in its process group at once. */
  kill(): void;
}

/**
 * Starts a script in `/bin/sh`, in a session of its own, with stdout and stderr in one file.
 *
 * A file and no pipe: what a script leaves running in the background would keep a pipe open.
 *
 * @param limit milliseconds after which it is ended by force
 */
export function startShell(script: string, at: Surroundings, output: string, limit: number): Running {
  const began = process.hrtime.bigint();
  const file = openSync(output, 'w', 0o666);
  const child = spawn('/bin/sh', ['-u', '-c', script], {
    cwd: at.directory,
    env: { ...at.environment },
    stdio: ['ignore', file, file],
    detached: true,
  });
  closeSync(file);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    killGroup(child);
  }, limit);
  const ended = new Promise<Ended>((resolve) => {
    const end = (exit: number): void => {
      clearTimeout(timer);
      resolve({ exit: isLate ? null : exit, duration: Number(process.hrtime.bigint() - began) });
    };
    child.once('error', () => end(127));
    child.once('exit', (code, signal) => end(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });
  return { ended, kill: () => killGroup(child) };
}

/** The last of a file as text, so many bytes at most. */
export function tailOf(file: string, bytes: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const got = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.subarray(0, got).toString();
  } finally {
    closeSync(descriptor);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended in this moment.
  }
}
