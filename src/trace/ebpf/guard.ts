import { closeSync } from 'node:fs';
import { SystemCallError } from '../../base/errors.ts';
import type { Libc } from '../../sys/libc.ts';
import { spawnImage } from '../../sys/spawn.ts';
import { assembleGuard } from '../../sys/trampoline.ts';
import type { Waiter } from '../../sys/wait.ts';
import type { Attachment } from './attachment.ts';

const O_CLOEXEC = 0o2000000;
const SIGKILL = 9;

/**
 * A process that kills the program and its descendants if callgate dies, however that happens: the end of a pipe tells it. It
 * holds the programs and the map of processes, so that none that is born meanwhile escapes.
 */
export class Guard {
  readonly #libc: Libc;
  readonly #waiter: Waiter;
  readonly #pid: number;
  readonly #pipe: number;

  /** @throws SystemCallError */
  constructor(libc: Libc, waiter: Waiter, attachment: Attachment) {
    this.#libc = libc;
    this.#waiter = waiter;
    const ends = new Int32Array(2);
    // SAFETY: the kernel writes two descriptors, which are closed here and by `end` or `release`.
    if (attachment.libc.pipe(ends, O_CLOEXEC) === -1) {
      throw new SystemCallError('pipe2: no pipe to the guard', { request: 'pipe2', errno: libc.errno() });
    }
    const [reading, writing] = ends as unknown as [number, number];
    const [map, ...links] = attachment.lifeline;
    try {
      this.#pid = spawnImage(libc, assembleGuard(reading, map), {
        argv: ['callgate'],
        env: [],
        // Under the numbers that they have here, so that none takes the place of another.
        descriptors: [reading, map, ...links].map((fd) => ({ from: fd, to: fd })),
        cwd: null,
      });
    } catch (error) {
      closeSync(writing);
      throw error;
    } finally {
      closeSync(reading);
    }
    this.#pipe = writing;
  }

  /** What is left of the program may live: the guard goes. */
  release(): void {
    // SAFETY: no memory is passed; the guard is our own child and reaped only here.
    this.#libc.kill(this.#pid, SIGKILL);
    this.#reap();
  }

  /** Kills what is left of the program. */
  end(): void {
    this.#reap();
  }

  #reap(): void {
    closeSync(this.#pipe);
    this.#waiter.child(this.#pid);
  }
}
