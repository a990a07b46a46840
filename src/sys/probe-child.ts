import { milliseconds } from '../base/clock.ts';
import { SystemCallError } from '../base/errors.ts';
import type { Libc } from './libc.ts';
import type { Answer } from './probe-facts.ts';
import { spawnImage } from './spawn.ts';
import { decodeStatus, type WaitStatus } from './wait.ts';

const WNOHANG = 1;
const WUNTRACED = 2;
const __WNOTHREAD = 0x20000000;
const __WALL = 0x40000000;

const SIGKILL = 9;

/** Longest wait for a child, milliseconds: probes answer within microseconds or not at all. */
const PATIENCE = 1000;
const PAUSE = 0.2;

/** A short-lived child of the calling thread; disposing of it kills and reaps it. */
export class ProbeChild implements Disposable {
  readonly pid: number;
  readonly #libc: Libc;
  readonly #status: Int32Array = new Int32Array(1);
  #ended = false;

  /** Starts `image`. @throws SystemCallError if it cannot be started */
  constructor(libc: Libc, image: Uint8Array, argv: readonly string[] = ['callgate-doctor']) {
    this.#libc = libc;
    this.pid = spawnImage(libc, image, { argv, env: [], descriptors: [], cwd: null });
  }

  /** The child's next stop or its end; null if there is none within a second. */
  next(): WaitStatus | null {
    const limit = milliseconds() + PATIENCE;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let spins = 0; !this.#ended; spins++) {
      // SAFETY: the kernel writes one int into #status; the pid is our own child and not reaped yet.
      const pid = this.#libc.waitpid(this.pid, this.#status, __WALL | __WNOTHREAD | WUNTRACED | WNOHANG);
      if (pid === this.pid) {
        const status = decodeStatus(this.#status[0] as number);
        this.#ended = status.kind !== 'stopped';
        return status;
      }
      if (pid === -1 || milliseconds() > limit) return null;
      if (spins > 100) Atomics.wait(cell, 0, 0, PAUSE);
    }
    return null;
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
    this.#libc.kill(this.pid, SIGKILL);
    while (this.next() !== null);
  }
}

/** Runs a program of {@link assembleCall} to its end: exit code 0 is the value 0, any other an errno. */
export function callInChild(libc: Libc, image: Uint8Array): Answer {
  const end = runInChild(libc, image);
  return end.kind === 'value' && end.value !== 0 ? { kind: 'error', errno: end.value } : end;
}

/** Runs a program to its end: the value is its exit code; an error is that of starting it. */
export function runInChild(libc: Libc, image: Uint8Array): Answer {
  return attempt(() => {
    using child = new ProbeChild(libc, image);
    return endOf(child.next());
  });
}

/** The answer that an end gives; a stop is none. */
export function endOf(status: WaitStatus | null): Answer {
  if (status === null) return { kind: 'timeout' };
  switch (status.kind) {
    case 'exited':
      return { kind: 'value', value: status.code };
    case 'signaled':
      return { kind: 'killed', signal: status.signal };
    case 'stopped':
      return { kind: 'untried', reason: `the probe was stopped by signal ${status.signal}` };
  }
}

/** Turns what a probe throws into its answer. */
export function attempt(probe: () => Answer): Answer {
  try {
    return probe();
  } catch (error) {
    if (error instanceof SystemCallError) return { kind: 'error', errno: error.errno };
    return { kind: 'untried', reason: (error as Error).message };
  }
}
