import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentError } from '../../base/errors.ts';
import { compareCode, groupAddresses } from './missed-code.ts';
import { isReachable, parseReachable } from './reachable.ts';

const DOCUMENT = {
  format: 'callgate-reachable',
  version: 1,
  objects: [
    { path: '/bin/a', buildId: 'ab', ranges: [0x10, 0x20, 0x40, 0x41] },
    { path: '/lib/b', buildId: null, ranges: [] },
  ],
};

describe('executed code held against reachable code', () => {
  it('lists what is outside of every range, and objects that the analysis does not have', () => {
    const executed = new Map([
      ['/bin/a', new Set([0x41, 0x10, 0x1f, 0x20, 0x40])],
      ['/usr/lib/b', new Set([1])],
      ['/lib/c', new Set([1])],
      ['???', new Set([1])],
      ['/usr/libexec/valgrind/vgpreload_core-amd64-linux.so', new Set([1])],
    ]);
    const compared = compareCode(executed, parseReachable(JSON.stringify(DOCUMENT)), (path) =>
      path.replace('/usr/lib/', '/lib/'),
    );
    expect(compared).toEqual({
      objects: [
        { path: '/bin/a', executed: 5, missed: [0x20, 0x41] },
        { path: '/usr/lib/b', executed: 1, missed: [1] },
      ],
      unknown: ['/lib/c'],
    });
  });

  it('is shown as groups of addresses that lie close together', () => {
    expect(groupAddresses([1, 5, 300, 900], 256)).toEqual([
      [1, 5],
      [300, 300],
      [900, 900],
    ]);
    expect(groupAddresses([])).toEqual([]);
  });

  it('finds in ranges what a plain look through them finds', () => {
    const bounds = fc
      .uniqueArray(fc.nat(200), { maxLength: 20 })
      .map((list) => list.sort((a, b) => a - b))
      .map((list) => (list.length % 2 === 0 ? list : list.slice(1)));
    fc.assert(
      fc.property(bounds, fc.nat(220), (ranges, address) => {
        let want = false;
        for (let at = 0; at < ranges.length; at += 2) {
          want ||= (ranges[at] as number) <= address && address < (ranges[at + 1] as number);
        }
        expect(isReachable({ path: '/a', buildId: null, ranges }, address)).toBe(want);
      }),
    );
  });
});

describe('a document of reachable code', () => {
  it.each([
    { what: 'no JSON', text: '{', want: 'not JSON' },
    { what: 'another format', text: '{"format":"x","version":1}', want: '/format is not' },
    { what: 'a newer version', text: JSON.stringify({ ...DOCUMENT, version: 2 }), want: 'of version 1' },
    {
      what: 'no objects',
      text: '{"format":"callgate-reachable","version":1}',
      want: '/objects must be a list',
    },
    ...[[[1]], [[5, 5]], [[5, 4]], [[1, 2, 2, 3]], [[-1, 4]], [[1.5, 4]], ['x']].map(([ranges]) => ({
      what: `the ranges ${JSON.stringify(ranges)}`,
      text: JSON.stringify({ ...DOCUMENT, objects: [{ path: '/a', buildId: null, ranges }] }),
      want: '/objects/0/ranges',
    })),
  ])('with $what is refused', ({ text, want }) => {
    expect(() => parseReachable(text, 'file')).toThrow(DocumentError);
    expect(() => parseReachable(text, 'file')).toThrow(want);
  });
});
