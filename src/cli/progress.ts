import { formatCount } from '../base/count.ts';
import { formatDuration } from '../base/duration.ts';
import { shorten } from '../report/escape.ts';
import { openLibc } from '../sys/libc.ts';
import { isTerminal, isTerminalTaken, terminalColumns } from '../sys/terminal.ts';
import type { RunningTrace } from '../trace/trace.ts';
import { isStderrStuck, writeToStderr } from './say.ts';

/** A line on the terminal that is drawn over itself. */
export interface ProgressLine extends Disposable {
  /** Removes the line, for something else is about to be printed. */
  clear(): void;
}

const INTERVAL = 1000;
const ERASE = '\r\u001b[K';

/** Columns of a terminal that does not say how many it has. */
const USUAL_WIDTH = 80;

/**
 * Shows elapsed time, tasks, calls, distinct calls and the phase once a second, if stderr is a terminal that the
 * program does not have to itself (as an editor has), and can erase a line.
 */
export function showProgress(running: RunningTrace, wanted: boolean): ProgressLine {
  // Not process.stderr: that makes a pipe non-blocking, for the traced program as well, whose writes would then fail.
  const libc = wanted && process.env['TERM'] !== 'dumb' ? openLibc() : null;
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
    const text = describe(running, Number(process.hrtime.bigint() - began));
    // What does not fit would go on in a line that is not erased; and some terminals begin one when the last column is written.
    const width = (terminalColumns(libc, 2) ?? USUAL_WIDTH) - 1;
    writeToStderr(`${ERASE}${shorten(text, width)}`);
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
