import { milliseconds } from '../base/clock.ts';

/** How long the end of the process may take for the sake of traces, milliseconds. */
const PATIENCE = 5000;

/** What Node would wait for as the process ends, for as long as it takes. */
export interface Unfinished {
  /** Asks it to end. */
  leave(): void;
  /** Blocks until it has ended, or until a time of milliseconds(). */
  awaitEnd(deadline: number): void;
}

/** One listener for all of them: Node warns of more than ten. */
const unfinished: Set<Unfinished> = new Set();

/** Ends something when the process, or the worker that this is, ends by process.exit, by an uncaught exception or when it is done. */
export function endWithProcess(one: Unfinished): void {
  if (unfinished.size === 0) process.on('exit', endAll);
  unfinished.add(one);
}

/** It has ended by itself. */
export function endedByItself(one: Unfinished): void {
  unfinished.delete(one);
  if (unfinished.size === 0) process.off('exit', endAll);
}

function endAll(): void {
  const deadline = milliseconds() + PATIENCE;
  for (const one of unfinished) one.leave();
  for (const one of unfinished) one.awaitEnd(deadline);
}
