import { formatCount } from '../base/count.ts';
import { formatDuration } from '../base/duration.ts';
import { openLibc } from '../sys/libc.ts';
import { isTerminal, isTerminalTaken } from '../sys/terminal.ts';
import type { RunningTrace } from '../trace/trace.ts';
import { isStderrStuck, writeToStderr } from './say.ts';

/** A line on the terminal that is drawn over itself. */
export interface ProgressLine extends Disposable {
  /** Removes the line, for something else is about to be printed. */
  clear(): void;
}

const INTERVAL = 1000;
const ERASE = '\r\u001b[K';

/**
 * Shows elapsed time, tasks, calls, distinct calls and the phase once a second, if stderr is a terminal that the
 * program does not have to itself (as an editor has).
 */
export function showProgress(running: RunningTrace, wanted: boolean): ProgressLine {
  // Not process.stderr: that makes a pipe non-blocking, for the traced program as well, whose writes would then fail.
  const libc = wanted ? openLibc() : null;
  if (libc === null || !isTerminal(libc, 2))
    return { clear: () => undefined, [Symbol.dispose]: () => undefined };
  const began = process.hrtime.bigint();
  let shown = false;
  const clear = (): void => {
    if (shown) writeToStderr(ERASE);
    shown = false;
  };
  const timer = setInterval(() => {
    if (isStderrStuck()) return;
    if (isTerminalTaken(libc, 2)) {
      clear();
      return;
    }
    writeToStderr(`${ERASE}${describe(running, Number(process.hrtime.bigint() - began))}`);
    shown = true;
  }, INTERVAL);
  const stop = (): void => {
    clearInterval(timer);
    clear();
  };
  return { clear: stop, [Symbol.dispose]: stop };
}

function describe(running: RunningTrace, elapsed: number): string {
  const { tasks, calls, distinct, phase } = running.progress();
  const name = phase === 0 ? 'setup' : (running.phases[phase - 1]?.name ?? 'setup');
  const parts = [
    formatDuration(Math.round(elapsed / 1e9) * 1e9),
    `${tasks} ${tasks === 1 ? 'task' : 'tasks'}`,
    `${formatCount(calls)} calls`,
    `${distinct} distinct`,
    `phase ${name}`,
  ];
  return `callgate: ${parts.join(', ')}`;
}
