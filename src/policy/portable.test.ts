import { describe, expect, it } from 'vitest';
import { ARCHES } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { COMPANIONS, EQUIVALENTS } from './equivalents.ts';
import { addEquivalents } from './portable.ts';
import { SetDraft } from './set-draft.ts';
import { namesOf, sampleCall } from './testing/sample-policy.ts';
import type { Arch } from '../abi/arch.ts';
import type { PolicyCall } from './model.ts';

function widen(calls: readonly PolicyCall[], to: string, arch: Arch = 'x86_64'): readonly PolicyCall[] {
  const draft = new SetDraft(true);
  for (const call of calls) draft.add(call, call.why, call.args);
  addEquivalents(draft, [arch], { from: '4.14', to });
  return draft.list([arch]);
}

describe('equivalents', () => {
  it.each([
    { of: 'openat', to: '6.12', want: ['creat', 'open', 'openat', 'openat2'] },
    { of: 'openat', to: '5.5', want: ['creat', 'open', 'openat'] },
    { of: 'faccessat', to: '5.7', want: ['access', 'faccessat'] },
    { of: 'faccessat', to: '5.8', want: ['access', 'faccessat', 'faccessat2'] },
    { of: 'lstat', to: '4.10', want: ['lstat', 'newfstatat'] },
    { of: 'pipe', to: '6.12', want: ['pipe', 'pipe2'] },
    { of: 'getpid', to: '6.12', want: ['getpid'] },
    { of: 'epoll_wait', to: '5.11', want: ['epoll_pwait', 'epoll_pwait2', 'epoll_wait'] },
  ])('of $of on kernels up to $to', ({ of, to, want }) => {
    expect(namesOf(widen([sampleCall(of)], to))).toEqual(want);
  });

  it('have the 64-bit times of 32-bit arches', () => {
    expect(namesOf(widen([sampleCall('i386:futex')], '5.10', 'i386'), 'i386')).toEqual([
      'futex',
      'futex_time64',
    ]);
  });

  it('say what they stand for', () => {
    const dup3 = widen([sampleCall('dup2')], '6.12').find(({ name }) => name === 'dup3');
    expect(dup3?.why).toEqual([
      'group portable: like dup2, arches without the old form, and libraries that take the new one everywhere',
    ]);
  });

  it('take over the rules of the same argument, with the bits that other libraries set', () => {
    const openat = sampleCall('openat', [
      { index: 2, name: 'flags', width: 32, values: [0n], free: 0x80000n },
    ]);
    const open = widen([openat], '6.12').find(({ name }) => name === 'open');
    expect(open?.args).toEqual([{ index: 1, name: 'flags', width: 32, values: [0n], free: 0xa8000n }]);
    expect(widen([openat], '6.12').find(({ name }) => name === 'openat2')?.args).toEqual([]);
  });

  it('let madvise guard stacks', () => {
    const madvise = sampleCall('madvise', [{ index: 2, name: 'advice', width: 32, values: [4n] }]);
    expect(widen([madvise], '6.12')[0]?.args[0]?.values).toEqual([4n, 8n, 102n, 103n]);
  });

  it('come with what C libraries do at the start of programs', () => {
    expect(namesOf(widen([sampleCall('execve')], '6.12'))).toContain('rseq');
    expect(namesOf(widen([sampleCall('execve')], '4.14'))).not.toContain('rseq');
  });
});

describe('the table of equivalents', () => {
  const exists = (name: string): boolean => ARCHES.some((arch) => syscallNumber(arch, name) !== null);

  it('names calls that some arch has', () => {
    const names = [
      ...EQUIVALENTS.flatMap(({ calls }) => calls),
      ...COMPANIONS.flatMap((row) => [...row.if, ...row.calls]),
    ];
    expect(names.filter((name) => !exists(name))).toEqual([]);
  });

  it('has no row twice, and none of a single call', () => {
    const rows = EQUIVALENTS.map(({ calls }) => [...calls].sort().join(' '));
    expect(new Set(rows).size).toBe(rows.length);
    expect(EQUIVALENTS.filter(({ calls }) => new Set(calls).size < 2)).toEqual([]);
  });
});
