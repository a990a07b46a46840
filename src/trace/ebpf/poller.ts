import { closeSync, readSync } from 'node:fs';
import { milliseconds } from '../../base/clock.ts';
import { SystemCallError } from '../../base/errors.ts';
import type { BpfLibc } from '../../sys/bpf-libc.ts';
import type { EventLoop } from '../../sys/event-loop.ts';
import type { Libc } from '../../sys/libc.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EPOLLET = 0x80000000;

/** struct epoll_event is packed on x86-64: 32 bits of events, 64 of data. */
const EVENT_SIZE = 12;

/** What a wait ended with; nothing of both if there are events, or time has passed. */
export interface Wake {
  /** Somebody has written to the eventfd. */
  readonly isRung: boolean;
  /** The event loop wants a turn. */
  readonly isTurn: boolean;
}

/** Waits for events of the programs, for commands, and for what there is for the event loop to do. */
export class Poller implements Disposable {
  readonly #libc: BpfLibc;
  readonly #eventLoop: EventLoop | null;
  readonly #epoll: number;
  readonly #ready: DataView = new DataView(new ArrayBuffer(3 * EVENT_SIZE));
  readonly #count: Uint8Array = new Uint8Array(8);
  /** Readable once there is a command. */
  readonly #eventfd: number;
  #isGiven = false;

  /** @throws SystemCallError if there is no room for its descriptors */
  constructor(errors: Pick<Libc, 'errno'>, libc: BpfLibc, events: number, eventLoop: EventLoop | null) {
    this.#libc = libc;
    this.#eventLoop = eventLoop;
    this.#epoll = libc.epollCreate(EPOLL_CLOEXEC);
    if (this.#epoll === -1) {
      const errno = errors.errno();
      throw new SystemCallError('epoll_create1: nothing to wait with', { request: 'epoll_create1', errno });
    }
    this.#eventfd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.#eventfd === -1) {
      const errno = errors.errno();
      closeSync(this.#epoll);
      throw new SystemCallError('eventfd2: nothing to be woken by', { request: 'eventfd2', errno });
    }
    // By edges: the wait ends when a program asks for it, and not for every event that can as well be read later.
    this.#add(events, EPOLLIN | EPOLLET);
    this.#add(this.#eventfd, EPOLLIN);
    if (eventLoop !== null && eventLoop.descriptor !== -1) this.#add(eventLoop.descriptor, EPOLLIN);
  }

  /** The eventfd to write to once there is a command; whoever gets it closes it at the end. */
  giveEventfd(): number {
    this.#isGiven = true;
    return this.#eventfd;
  }

  /** Waits for `timeout` milliseconds at most. */
  wait(timeout: number): Wake {
    const untilTurn = this.#eventLoop?.timeout() ?? -1;
    const limit = untilTurn === -1 ? timeout : Math.min(timeout, untilTurn);
    const began = milliseconds();
    // SAFETY: the kernel writes at most three struct epoll_event, the size of #ready.
    const count = this.#libc.epollWait(this.#epoll, this.#ready, 3, limit);
    let isRung = false;
    let isTurn = untilTurn !== -1 && milliseconds() - began >= untilTurn;
    for (let index = 0; index < count; index++) {
      const fd = this.#ready.getUint32(index * EVENT_SIZE + 4, true);
      if (fd === this.#eventLoop?.descriptor) isTurn = true;
      if (fd !== this.#eventfd) continue;
      readSync(this.#eventfd, this.#count);
      isRung = true;
    }
    return { isRung, isTurn };
  }

  [Symbol.dispose](): void {
    closeSync(this.#epoll);
    if (!this.#isGiven) closeSync(this.#eventfd);
  }

  #add(fd: number, events: number): void {
    const event = new DataView(new ArrayBuffer(EVENT_SIZE));
    event.setUint32(0, events, true);
    event.setUint32(4, fd, true);
    // SAFETY: the kernel copies the event.
    this.#libc.epollControl(this.#epoll, EPOLL_CTL_ADD, fd, event);
  }
}
