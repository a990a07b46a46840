import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Thread ids of this process but for that of the main thread. */
export function otherThreads(): number[] {
  return readdirSync('/proc/self/task')
    .map(Number)
    .filter((tid) => tid !== process.pid);
}

/** Sets the niceness of threads of this process, of those that are still there and as far as that is permitted. */
export function setNiceness(tids: readonly number[], niceness: number): void {
  for (const tid of tids) {
    try {
      setPriority(tid, niceness);
    } catch {
      // The thread has ended meanwhile.
    }
  }
}
