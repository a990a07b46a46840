import { errnoText } from '../abi/errno.ts';
import { milliseconds } from '../base/clock.ts';
import { SystemCallError } from '../base/errors.ts';
import type { Libc } from './libc.ts';
import { WayOfWaiting } from './way-of-waiting.ts';

const WNOHANG = 1;
const WUNTRACED = 2;
const __WNOTHREAD = 0x20000000;
const __WALL = 0x40000000;

const EINTR = 4;
const ECHILD = 10;

/** Polls before a blocking wait, at most; each costs half a microsecond. */
const SPINS = 100;

/**
 * Waits for the tracees and children of the calling thread only: the exit of a child that Node
 * started is never taken away from it.
 *
 * A tracee that runs on another, else idle processor mostly stops again within microseconds, sooner than this thread
 * could be put to sleep and woken: polling makes a stop several times cheaper. On busy processors polling takes
 * time from those who could use it. Which of the two it is shows only in the time from stop to stop, by which `next` goes.
 * Tracees that sleep cost no more than one round of polling.
 */
export class Waiter {
  readonly #libc: Libc;
  readonly #status: Int32Array = new Int32Array(1);
  readonly #way: WayOfWaiting = new WayOfWaiting();
  #last = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Status word of the last wait, as wait(2) encodes it. */
  get status(): number {
    return this.#status[0] as number;
  }

  /** Next tid with news, or 0 if there is nothing left to wait for. @throws SystemCallError */
  next(): number {
    const tid = this.#way.polls ? this.#poll() : this.#block(-1, __WALL | __WNOTHREAD);
    const now = milliseconds();
    this.#way.note(now - this.#last);
    this.#last = now;
    return tid;
  }

  #poll(): number {
    for (let spin = 0; spin < SPINS; spin++) {
      // SAFETY: the kernel writes one int into #status.
      const tid = this.#libc.waitpid(-1, this.#status, __WALL | __WNOTHREAD | WNOHANG);
      if (tid > 0) return tid;
      if (tid === -1) break;
    }
    return this.#block(-1, __WALL | __WNOTHREAD);
  }

  /** Waits for `pid` to stop or to end, as a parent; 0 if it is not a child. @throws SystemCallError */
  child(pid: number): number {
    return this.#block(pid, WUNTRACED | __WNOTHREAD);
  }

  /** Waits for one tracee, whatever the others do; 0 if there is no such tracee. @throws SystemCallError */
  tracee(tid: number): number {
    return this.#block(tid, __WALL | __WNOTHREAD);
  }

  #block(pid: number, options: number): number {
    for (;;) {
      // SAFETY: the kernel writes one int into #status.
      const tid = this.#libc.waitpid(pid, this.#status, options);
      if (tid !== -1) return tid;
      const errno = this.#libc.errno();
      if (errno === ECHILD) return 0;
      if (errno !== EINTR) {
        throw new SystemCallError(`waitpid: failed, ${errnoText(errno)}`, { request: 'waitpid', errno });
      }
    }
  }
}

/** What a status word of wait(2) says. */
export type WaitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: number; readonly core: boolean }
  | { readonly kind: 'stopped'; readonly signal: number; readonly event: number };

/** Takes a status word apart; `event` is PTRACE_EVENT_* or 0. */
export function decodeStatus(status: number): WaitStatus {
  const low = status & 0x7f;
  if (low === 0) return { kind: 'exited', code: (status >> 8) & 0xff };
  if (low === 0x7f) return { kind: 'stopped', signal: (status >> 8) & 0xff, event: status >>> 16 };
  return { kind: 'signaled', signal: low, core: (status & 0x80) !== 0 };
}
