import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mainTimes } from '../profile/recut.ts';
import { arbitraryProfile } from '../profile/testing/arbitrary-profile.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { closableKeys, collectLives, stretchesOf, visibleRows } from './process-rows.ts';

const MS = 1e6;

const PROFILE = sampleProfile([
  { pid: 1, start: 0, end: 100, calls: {} },
  { pid: 2, birth: 'fork', parent: 0, start: 10, end: 20, calls: {} },
  { pid: 2, birth: 'exec', parent: 1, start: 20, end: 90, calls: {} },
  { pid: 3, birth: 'fork', parent: 2, start: 30, end: 40, calls: {} },
  { pid: 4, birth: 'fork', parent: 0, start: 50, end: 60, calls: {} },
]);

describe('rows of processes', () => {
  test('a pid is one row whatever it executes, children below their parent in order of birth', () => {
    const rows = visibleRows(PROFILE, collectLives(PROFILE), new Set());
    expect(rows.map((row) => (row.kind === 'life' ? [row.level, ...row.life.entries] : row.kind))).toEqual([
      [1, 0],
      [2, 1, 2],
      [3, 3],
      [2, 4],
    ]);
  });

  test('what is closed hides all that is below', () => {
    const lives = collectLives(PROFILE);
    expect(visibleRows(PROFILE, lives, new Set(['1'])).map(({ key }) => key)).toEqual(['0', '1', '4']);
    expect(visibleRows(PROFILE, lives, closableKeys(PROFILE, lives)).map(({ key }) => key)).toEqual(['0']);
  });

  test('each process entry of any profile is in one row, with all its threads', () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const rows = visibleRows(profile, collectLives(profile), new Set());
        const entries = rows.flatMap((row) => (row.kind === 'life' ? row.life.entries : []));
        expect(entries.toSorted((a, b) => a - b)).toEqual([...profile.processes.keys()]);
        const threads = profile.processes.reduce((sum, process) => sum + process.threads.length, 0);
        expect(rows.filter(({ kind }) => kind === 'thread').length).toBe(threads);
      }),
    );
  });

  test('a chain of forks that is deeper than a stack is drawn', () => {
    const profile = sampleProfile(
      Array.from({ length: 20_000 }, (_, index) => ({
        pid: index + 1,
        calls: {},
        ...(index === 0 ? {} : { birth: 'fork' as const, parent: index - 1 }),
      })),
    );
    const rows = visibleRows(profile, collectLives(profile), new Set());
    expect(rows.at(-1)?.level).toBe(20_000);
  });

  test('phases follow one another without a gap; a split that is tried takes the place of those of the profile', () => {
    const [root] = collectLives(PROFILE)[0] ?? [];
    const child = root?.children[0];
    if (child === undefined) throw new Error('there is no child');
    const switches = mainTimes(PROFILE, new Map([[2, 50 * MS]]));
    expect(stretchesOf(PROFILE, child, switches)).toEqual([
      { process: 1, phase: 0, from: 10 * MS, to: 20 * MS },
      { process: 2, phase: 0, from: 20 * MS, to: 50 * MS },
      { process: 2, phase: 1, from: 50 * MS, to: 90 * MS },
    ]);
    expect(stretchesOf(PROFILE, child, null).map(({ phase }) => phase)).toEqual([0, 0]);
  });
});
