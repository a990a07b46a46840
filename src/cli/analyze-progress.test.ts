import { describe, expect, it } from 'vitest';
import { AnalyzeProgress } from './analyze-progress.ts';

/** What is written of objects that are begun at some times, in milliseconds, and have some sizes, in bytes. */
function written(
  options: { readonly isTerminal: boolean; readonly isQuiet?: boolean },
  objects: readonly { readonly at: number; readonly size?: number }[],
): string[] {
  const lines: string[] = [];
  let time = 5;
  const progress = new AnalyzeProgress({
    total: 1,
    isQuiet: false,
    ...options,
    write: (text) => lines.push(text),
    now: () => time,
  });
  for (const [index, { at, size = 3_000_000 }] of objects.entries()) {
    time = at + 5;
    progress.show('/usr/bin/server', { objects: index + 1, path: `/usr/lib/lib${index + 1}.so`, size });
  }
  return lines;
}

const LINE = (what: string): string =>
  `callgate: server: reading ${what} (--timeout bounds the time, --partial keeps what was read by then)\n`;

describe('AnalyzeProgress', () => {
  it('says without a terminal, once, what is read after ten seconds', () => {
    const objects = [0, 9999, 10_000, 20_000].map((at) => ({ at }));
    expect(written({ isTerminal: false }, objects)).toEqual([LINE('object 3, lib3.so of 3 MB')]);
    expect(written({ isTerminal: false }, objects.slice(0, 2))).toEqual([]);
  });

  it('does not wait where one object alone will take that long', () => {
    const objects = [{ at: 0 }, { at: 1, size: 200_000_000 }, { at: 20_000 }];
    expect(written({ isTerminal: false }, objects)).toEqual([LINE('object 2, lib2.so of 200 MB')]);
  });

  it('draws on a terminal from the first second on, and is quiet where asked to be', () => {
    const objects = [0, 1000, 1050, 1100, 20_000].map((at) => ({ at }));
    expect(written({ isTerminal: true }, objects)).toEqual(
      [2, 4, 5].map((object) => `\r\u001b[Kcallgate: server: object ${object}`),
    );
    for (const isTerminal of [true, false])
      expect(written({ isTerminal, isQuiet: true }, objects)).toEqual([]);
  });
});
