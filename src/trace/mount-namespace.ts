import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';

/**
 * Number of the mount namespace of a process.
 *
 * @throws the error of readlink(2), also for a process that has ended
 */
export function mountNamespace(pid: number | 'self'): number {
  return Number(/\[([0-9]+)\]/.exec(readlinkSync(pathOf(pid)))?.[1]);
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

  /** Whether no process is in it. */
  isEmpty(): boolean {
    if (this.#holds(this.#member)) return false;
    for (const entry of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(entry) || !this.#holds(Number(entry))) continue;
      this.#member = Number(entry);
      return false;
    }
    return true;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /** A process that has ended is in none, also before it is waited for. */
  #holds(pid: number): boolean {
    try {
      return mountNamespace(pid) === this.number;
    } catch {
      return false;
    }
  }
}

function pathOf(pid: number | 'self'): string {
  return `/proc/${pid}/ns/mnt`;
}
