import { constants, getPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { otherThreads, setNiceness } from '../../base/thread-priority.ts';

/**
 * Has V8 inline less from now on, in all threads, and compile and collect only where this thread leaves a processor free: for a process that
 * does one analysis and ends.
 *
 * Most of what runs so briefly is compiled once and hardly used; docs/decisions/static-analysis.md has what that saves. It is to be called
 * once the stored code of the bundle is loaded, for V8 refuses code that was stored under other flags.
 */
export function compileForShortRun(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
  try {
    setNiceness(otherThreads(), Math.min(getPriority() + YIELD, constants.priority.PRIORITY_LOW));
  } catch {
    // Without /proc it takes a little longer.
  }
}

const FLAGS = [
  '--max-inlined-bytecode-size-cumulative=100',
  // How long a function runs before it is optimised, twice what it is by default.
  '--interrupt-budget=120000',
  // The first round of each loop twice: more to compile, for loops that are seldom long.
  '--no-turbo-loop-peeling',
  // New objects get all the room at once: half of the collections are saved.
  '--semi-space-growth-factor=16',
];

/** V8 has four threads, and two processors are common: this thread waited a sixth of its time for one. */
const YIELD = 10;
