import { openLibc } from '../sys/libc.ts';
import { isWritable } from '../sys/writable.ts';
import { MainThread } from '../trace/main-thread.ts';
import type { TracingPlace } from '../trace/place.ts';
import { TracingThread } from '../trace/tracing-thread.ts';
import { isShared } from './own-thread.ts';
import { neverWaitForStderr } from './say.ts';

/** The main thread, or one of its own where the main one cannot do it. */
export function placeToTrace(): TracingPlace {
  if (isShared()) return new TracingThread(true);
  const libc = openLibc();
  const main = MainThread.open(libc);
  if (main === null) return new TracingThread(true);
  neverWaitForStderr(() => isWritable(libc, 2));
  return main;
}
