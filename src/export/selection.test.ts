import { expect, test } from 'vitest';
import { selectSet } from './selection.ts';
import { samplePolicy } from './testing/sample-policy.ts';

const policy = samplePolicy({
  enosys: ['clone3', 'read'],
  phases: { setup: ['read', 'write'], main: ['write'] },
  programs: { '/usr/bin/sh': ['write'], '/opt/a/tool': ['read'], '/opt/b/tool': ['read'] },
});

test('the first phase is the one for the whole life', () => {
  const { phase, arches } = selectSet(policy);
  expect(phase.name).toBe('setup');
  expect(arches[0]!.allowed.map(({ name }) => name)).toEqual(['read', 'write']);
});

test('a call that is allowed does not fail with ENOSYS, one that is not does', () => {
  expect(selectSet(policy).arches[0]!.enosys.map(({ name }) => name)).toEqual(['clone3']);
  expect(selectSet(policy, { phase: 'main' }).arches[0]!.enosys.map(({ name }) => name)).toEqual([
    'clone3',
    'read',
  ]);
});

test('calls that have a name and are newer than the policy are listed', () => {
  const { newer } = selectSet(policy).arches[0]!;
  expect(newer[0]).toEqual({ nr: 451, name: 'cachestat', since: '6.5' });
});

test('in a rehearsal nothing fails', () => {
  const rehearsal = { ...policy, onViolation: 'log' };
  expect(selectSet(rehearsal).arches[0]).toMatchObject({ enosys: [], newer: [] });
});

test('a program is found by its path or the last part of it', () => {
  expect(selectSet(policy, { program: '/usr/bin/sh' }).program?.path).toBe('/usr/bin/sh');
  expect(selectSet(policy, { program: 'sh' }).program?.path).toBe('/usr/bin/sh');
});

test.each([
  [{ phase: 'serving' }, 'phase: no such phase, "serving" (the policy has setup, main)'],
  [
    { program: 'bash' },
    'program: no set of its own in phase setup, "bash" (there are /usr/bin/sh, /opt/a/tool, /opt/b/tool)',
  ],
  [{ program: 'tool' }, 'program: more than one of that name, "tool" (/opt/a/tool, /opt/b/tool)'],
  [{ phase: 'main', program: 'sh' }, 'program: no set of its own in phase main, "sh" (there are none)'],
])('%o is refused', (options, message) => {
  expect(() => selectSet(policy, options)).toThrow(message);
});

test('what programs there are is said on one line', () => {
  const odd = samplePolicy({ phases: { setup: ['read'] }, programs: { '/opt/a\nb\u001b[2J': ['read'] } });
  expect(() => selectSet(odd, { program: 'x' })).toThrow(
    'program: no set of its own in phase setup, "x" (there are /opt/a\\nb\\u001b[2J)',
  );
});
