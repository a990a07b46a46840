import { closeSync, readSync } from 'node:fs';
import type { BpfLibc } from '../../sys/bpf-libc.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EPOLLET = 0x80000000;

/** struct epoll_event is packed on x86-64: 32 bits of events, 64 of data. */
const EVENT_SIZE = 12;

/** Waits for events of the programs and for commands of the main thread. */
export class Poller implements Disposable {
  readonly #libc: BpfLibc;
  readonly #epoll: number;
  readonly #ready: DataView = new DataView(new ArrayBuffer(2 * EVENT_SIZE));
  readonly #count: Uint8Array = new Uint8Array(8);
  /** Readable once the main thread has written to it, which closes it at the end as well. */
  readonly eventfd: number;

  constructor(libc: BpfLibc, events: number) {
    this.#libc = libc;
    this.eventfd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    this.#epoll = libc.epollCreate(EPOLL_CLOEXEC);
    // By edges: the wait ends when a program asks for it, and not for every event that can as well be read later.
    this.#add(events, EPOLLIN | EPOLLET);
    this.#add(this.eventfd, EPOLLIN);
  }

  /** Returns whether there is a command; waits for `timeout` milliseconds at most. */
  wait(timeout: number): boolean {
    // SAFETY: the kernel writes at most two struct epoll_event, the size of #ready.
    const count = this.#libc.epollWait(this.#epoll, this.#ready, 2, timeout);
    for (let index = 0; index < count; index++) {
      if (this.#ready.getUint32(index * EVENT_SIZE + 4, true) !== this.eventfd) continue;
      readSync(this.eventfd, this.#count);
      return true;
    }
    return false;
  }

  [Symbol.dispose](): void {
    closeSync(this.#epoll);
  }

  #add(fd: number, events: number): void {
    const event = new DataView(new ArrayBuffer(EVENT_SIZE));
    event.setUint32(0, events, true);
    event.setUint32(4, fd, true);
    // SAFETY: the kernel copies the event.
    this.#libc.epollControl(this.#epoll, EPOLL_CTL_ADD, fd, event);
  }
}
