import { openSync } from 'node:fs';
import { isatty, ReadStream } from 'node:tty';
import { UsageError } from '../base/errors.ts';
import type { RunningTrace } from '../trace/trace.ts';
import { say } from './say.ts';

/**
 * Enters the next phase that waits for a key whenever Enter is pressed on the terminal; readiness comes before all phases.
 *
 * Without a terminal there is only `callgate phase NAME`, and that is said.
 */
export function watchKey(running: RunningTrace): Disposable {
  const phases = running.phases.filter(({ trigger }) => trigger.kind === 'key').map(({ name }) => name);
  const names = running.ready?.kind === 'key' ? ['ready', ...phases] : phases;
  let stream: ReadStream;
  try {
    stream = new ReadStream(openSync('/dev/tty', 'r'));
  } catch {
    say(`no terminal to wait for Enter on; use: callgate phase ${names[0] ?? 'NAME'}`);
    return { [Symbol.dispose]: () => undefined };
  }
  say(`press Enter for phase ${names.join(', then ')}${isatty(0) ? '; the program reads /dev/null' : ''}`);
  const waiting = [...names];
  stream.on('data', () => {
    const name = waiting.shift();
    if (name === undefined) return;
    try {
      void running.enterPhase(name).then((isBegun) => {
        if (isBegun) say(`phase ${name} begins`);
      });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      say(error.message);
    }
  });
  return { [Symbol.dispose]: () => stream.destroy() };
}
