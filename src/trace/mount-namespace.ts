import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { isOfGoneTask } from './proc.ts';

/**
 * Number of the mount namespace of a task, which is a directory below /proc.
 *
 * @throws the error of readlink(2), also for a process that has ended
 */
export function mountNamespace(task: number | string): number {
  return Number(/\[([0-9]+)\]/.exec(readlinkSync(pathOf(task)))?.[1]);
}

/** A mount namespace that is held open until dispose: as long as it is, the kernel gives its number to no other. */
export class HeldMountNamespace implements Disposable {
  readonly number: number;
  readonly #fd: number;
  /** A process that was in it when last looked at. */
  #member: number;

  /** Holds that of a process. @throws the error of open(2), also for a process that has ended */
  constructor(pid: number) {
    this.#member = pid;
    this.#fd = openSync(pathOf(pid), 'r');
    this.number = fstatSync(this.#fd).ino;
  }

  /** Whether no process is in it: false also while one that was in it goes on and cannot be looked at any more. */
  isEmpty(): boolean {
    if (this.#holds(this.#member, true)) return false;
    for (const entry of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(entry) || !this.#holds(Number(entry), false)) continue;
      this.#member = Number(entry);
      return false;
    }
    return true;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /**
   * A process that has ended is in none, also before it is waited for. Where only its first thread has, the others tell. `unknown` is what
   * counts where it may not be looked at: of those that never were in it some, as init, may be hidden for good.
   */
  #holds(pid: number, unknown: boolean): boolean {
    const ofFirst = this.#isIn(`${pid}`, unknown);
    if (ofFirst !== null) return ofFirst;
    try {
      return readdirSync(`/proc/${pid}/task`).some(
        (tid) => this.#isIn(`${pid}/task/${tid}`, unknown) === true,
      );
    } catch (error) {
      return !isOfGoneTask(error) && unknown;
    }
  }

  /** Null if the task has ended. */
  #isIn(task: string, unknown: boolean): boolean | null {
    try {
      return mountNamespace(task) === this.number;
    } catch (error) {
      return isOfGoneTask(error) ? null : unknown;
    }
  }
}

function pathOf(task: number | string): string {
  return `/proc/${task}/ns/mnt`;
}
