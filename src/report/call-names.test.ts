import { describe, expect, it } from 'vitest';
import { callLabel, nativeArch, sortByLabel } from './call-names.ts';
import { serverProfile } from './testing/server-profile.ts';

describe('nativeArch', () => {
  it.each([
    { machine: 'x86_64', want: 'x86_64' },
    { machine: 'aarch64', want: 'aarch64' },
    { machine: 'i686', want: 'i386' },
    { machine: 'riscv64', want: 'x86_64' },
  ])('is $want on a machine of $machine', ({ machine, want }) => {
    const profile = serverProfile();
    const runs = profile.runs.map((run) => ({ ...run, host: { ...run.host, arch: machine } }));
    expect(nativeArch({ ...profile, runs })).toBe(want);
  });

  it('is x86_64 without a run', () => {
    expect(nativeArch({ ...serverProfile(), runs: [] })).toBe('x86_64');
  });
});

describe('sortByLabel', () => {
  it('puts native names first, then numbers, then other arches', () => {
    const calls = [
      { arch: 'i386', nr: 5, name: 'open' },
      { arch: 'x86_64', nr: 600, name: null },
      { arch: 'x86_64', nr: 1, name: 'write' },
      { arch: 'x86_64', nr: 12, name: 'brk' },
    ] as const;
    const labels = sortByLabel(calls, 'x86_64').map((call) => callLabel(call, 'x86_64'));
    expect(labels).toEqual(['brk', 'write', 'x86_64:600', 'i386:open']);
  });
});
