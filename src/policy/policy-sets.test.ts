import { describe, expect, it } from 'vitest';
import { findProgram } from './policy-sets.ts';

const SETS = [
  { path: '/usr/bin/copy', buildId: 'aa' },
  { path: '/usr/bin/tool', buildId: 'aa' },
  { path: '/usr/bin/tool', buildId: 'bb' },
  { path: '/usr/bin/list', buildId: null },
];

describe('findProgram', () => {
  it.each([
    { name: 'the very same first', program: { path: '/usr/bin/tool', buildId: 'aa' }, want: 1 },
    { name: 'each build of a path apart', program: { path: '/usr/bin/tool', buildId: 'bb' }, want: 2 },
    { name: 'a link or copy by its build-id', program: { path: '/bin/tool', buildId: 'bb' }, want: 2 },
    {
      name: 'any build of a path without build-id',
      program: { path: '/usr/bin/list', buildId: 'cc' },
      want: 3,
    },
    {
      name: 'one whose build-id is not known by its path',
      program: { path: '/usr/bin/tool', buildId: null },
      want: 1,
    },
    { name: 'no other build of a path', program: { path: '/usr/bin/tool', buildId: 'cc' }, want: undefined },
    {
      name: 'no other path without build-id',
      program: { path: '/bin/list', buildId: null },
      want: undefined,
    },
  ])('finds $name', ({ program, want }) => {
    expect(findProgram(SETS, program)).toBe(want === undefined ? undefined : SETS[want]);
  });
});
