import { isMainThread } from 'node:worker_threads';
import { openLibc, type Libc } from './libc.ts';

const SIGCHLD = 17;
const SA_NOCLDSTOP = 1;

/** Offset of sa_flags in struct sigaction of glibc, and its size; source: bits/sigaction.h of x86-64. */
const FLAGS = 136;
const SIZE = 152;

/** How many want it so at present. */
let users = 0;
/** The handler of the action whose flag was set here; null if there was nothing to set. */
let ours: bigint | null = null;

/**
 * Has the kernel send no SIGCHLD when a child or tracee stops, until the object is disposed of; for ends it goes on to send it.
 *
 * Where Node has children, libuv takes every SIGCHLD for the end of one and asks for each of them whether it is that, which at some ten thousand
 * stops a second leaves the event loop no time. Nothing in Node needs to hear of stops.
 *
 * On the main thread only: elsewhere there are no listeners of signals.
 */
export function muteStops(): Disposable {
  if (!isMainThread) return { [Symbol.dispose]: () => undefined };
  if (users++ === 0) begin(openLibc());
  let isOver = false;
  return {
    [Symbol.dispose]: () => {
      if (isOver) return;
      isOver = true;
      if (--users === 0) end(openLibc());
    },
  };
}

function begin(libc: Libc): void {
  // As long as somebody listens, libuv sets the action no more, on whatever thread children begin and end.
  process.on('SIGCHLD', listen);
  const action = read(libc);
  const flags = action.getInt32(FLAGS, true);
  if ((flags & SA_NOCLDSTOP) !== 0) return;
  action.setInt32(FLAGS, flags | SA_NOCLDSTOP, true);
  write(libc, action);
  ours = handlerOf(action);
}

/** What others have set meanwhile is theirs. */
function end(libc: Libc): void {
  const action = read(libc);
  if (ours === handlerOf(action)) {
    action.setInt32(FLAGS, action.getInt32(FLAGS, true) & ~SA_NOCLDSTOP, true);
    write(libc, action);
  }
  ours = null;
  process.off('SIGCHLD', listen);
}

function listen(): void {
  // That it listens is all.
}

function handlerOf(action: DataView): bigint {
  return action.getBigUint64(0, true);
}

function read(libc: Libc): DataView {
  const action = new DataView(new ArrayBuffer(SIZE));
  // SAFETY: the kernel's answer is written into `action`, which has the size of struct sigaction.
  libc.sigaction(SIGCHLD, null, action);
  return action;
}

function write(libc: Libc, action: DataView): void {
  // SAFETY: handler and restorer are those that were read from the kernel, but for one flag.
  libc.sigaction(SIGCHLD, action, null);
}
