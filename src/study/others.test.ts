import { describe, expect, it } from 'vitest';
import { DocumentError } from '../base/errors.ts';
import { parseOthers } from './others.ts';

const TEXT = `
groups:
  - title: Sets
    note: From a paper.
    tools:
      - name: tool
        results:
          ls: { calls: read write, lastCalls: read }
          nginx: { allowed: 12, last: 9, missed: 1, seconds: 0.5, peak: 100 }
`;

describe('parseOthers', () => {
  it('counts the calls of a set, and takes numbers as they are', () => {
    const results = parseOthers(TEXT, 'o.yaml')[0]?.tools[0]?.results;
    expect(results?.get('ls')).toEqual({
      allowed: 2,
      last: 1,
      missed: null,
      seconds: null,
      peak: null,
      calls: ['x86_64 0', 'x86_64 1'],
    });
    expect(results?.get('nginx')).toEqual({
      allowed: 12,
      last: 9,
      missed: 1,
      seconds: 0.5,
      peak: 100,
      calls: null,
    });
  });

  it.each([
    {
      name: 'an unknown call',
      change: ['read write', 'read writ'],
      want: /ls\/calls.*unknown system call, "writ"/s,
    },
    { name: 'neither a number nor a set', change: ['allowed: 12, ', ''], want: /nginx/ },
    { name: 'an unknown field', change: ['missed: 1', 'mist: 1'], want: /mist/ },
  ])('refuses $name', ({ change: [from = '', to = ''], want }) => {
    const text = TEXT.replace(from, to);
    expect(text).not.toBe(TEXT);
    expect(() => parseOthers(text, 'o.yaml')).toThrow(DocumentError);
    expect(() => parseOthers(text, 'o.yaml')).toThrow(want);
  });
});
