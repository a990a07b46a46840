import { MainThread } from '../trace/main-thread.ts';
import type { TracingPlace } from '../trace/place.ts';
import { TracingThread } from '../trace/tracing-thread.ts';

/** The main thread, or one of its own where this Node does not let the main one do it. */
export function placeToTrace(): TracingPlace {
  return MainThread.open() ?? new TracingThread(true);
}
