import { describe, expect, it } from 'vitest';
import { ARCHES } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { blockedCves, knownCves } from './cves.ts';
import { DANGEROUS_CALLS, exposureOf, isDangerous } from './dangerous.ts';
import {
  ALWAYS_GROUP,
  groupCalls,
  RUNTIME_GROUPS,
  SWITCH_GROUP,
  THREADS_GROUP,
  VDSO_GROUP,
} from './groups.ts';
import { sampleCall } from './testing/sample-policy.ts';

const exists = (name: string): boolean => ARCHES.some((arch) => syscallNumber(arch, name) !== null);

describe('groups', () => {
  it('name calls that some arch has', () => {
    const groups = [
      ALWAYS_GROUP,
      VDSO_GROUP,
      THREADS_GROUP,
      SWITCH_GROUP,
      RUNTIME_GROUPS.runc,
      RUNTIME_GROUPS.crun,
    ];
    expect(
      groups.flatMap(({ calls }) => calls.map(({ name }) => name)).filter((name) => !exists(name)),
    ).toEqual([]);
  });

  it.each([
    { arch: 'x86_64' as const, want: 'clock_gettime clock_getres gettimeofday time getcpu getrandom' },
    { arch: 'aarch64' as const, want: 'clock_gettime clock_getres gettimeofday getrandom' },
    {
      arch: 'i386' as const,
      want: 'clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday time getcpu getrandom',
    },
  ])('of the vDSO on $arch', ({ arch, want }) => {
    expect(groupCalls(VDSO_GROUP, arch).map(({ call }) => call.name)).toEqual(want.split(' '));
  });

  it('of signals have the old return on i386', () => {
    expect(groupCalls(ALWAYS_GROUP, 'i386').map(({ call }) => call.name)).toContain('sigreturn');
  });
});

describe('dangerous calls', () => {
  it('are calls that some arch has, each once', () => {
    const names = DANGEROUS_CALLS.map(({ name }) => name);
    expect(names.filter((name) => !exists(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    { name: 'ptrace', call: sampleCall('ptrace'), want: 'stated' },
    { name: 'read', call: sampleCall('read'), want: undefined },
    { name: 'ioctl with any request', call: sampleCall('ioctl'), want: 'unbounded' },
    {
      name: 'ioctl with TCGETS',
      call: sampleCall('ioctl', [{ index: 1, width: 32, values: [0x5401n] }]),
      want: undefined,
    },
    {
      name: 'ioctl with TIOCSTI',
      call: sampleCall('ioctl', [{ index: 1, width: 32, values: [0x5401n, 0x5412n] }]),
      want: 'stated',
    },
    {
      name: 'ioctl with TIOCSTI behind free bits',
      call: sampleCall('ioctl', [{ index: 1, width: 32, values: [0x5402n], free: 0x10n }]),
      want: 'stated',
    },
    {
      name: 'clone of threads',
      call: sampleCall('clone', [{ index: 0, width: 32, values: [0x3d0f00n] }]),
      want: undefined,
    },
    {
      name: 'clone with a user namespace',
      call: sampleCall('clone', [{ index: 0, width: 32, values: [0x10000011n] }]),
      want: 'stated',
    },
    {
      name: 'unshare of files',
      call: sampleCall('unshare', [{ index: 0, values: [0x400n] }]),
      want: undefined,
    },
    {
      name: 'unshare with a free namespace bit',
      call: sampleCall('unshare', [{ index: 0, values: [0n], free: 0x20000n }]),
      want: 'stated',
    },
    {
      name: 'personality that only asks',
      call: sampleCall('personality', [{ index: 0, width: 32, values: [0n, 0xffffffffn] }]),
      want: undefined,
    },
    {
      name: 'personality with all bits but one',
      call: sampleCall('personality', [{ index: 0, width: 32, values: [0xfffffffen] }]),
      want: 'stated',
    },
    {
      name: 'personality with any but one bit set',
      call: sampleCall('personality', [{ index: 0, width: 32, values: [0xfffffffen], free: 1n }]),
      want: 'stated',
    },
  ])('$name: $want', ({ call, want }) => {
    expect(exposureOf(call)?.kind).toBe(want);
  });

  it('of every form are left out of a balanced policy, those of some forms are not', () => {
    expect([isDangerous('ptrace'), isDangerous('ioctl'), isDangerous(null)]).toEqual([true, false, false]);
  });
});

describe('vulnerabilities', () => {
  const blockedWith = (
    allowed: readonly string[],
    arch: 'x86_64' | 'i386' = 'x86_64',
  ): ReadonlySet<string> => {
    const numbers = new Set(allowed.map((name) => syscallNumber(arch, name)));
    return new Set(blockedCves([arch], (_, nr) => numbers.has(nr)).map(({ id }) => id));
  };

  it('have calls that some arch has had', () => {
    const gone = new Set(knownCves().flatMap(({ calls }) => calls.filter((name) => !exists(name))));
    expect([...gone]).toEqual([]);
    expect(knownCves().length).toBe(204);
  });

  it.each([
    { name: 'one of two calls is open', allowed: ['add_key'], cve: 'CVE-2017-15274', blocked: false },
    { name: 'both are denied', allowed: [], cve: 'CVE-2017-15274', blocked: true },
    { name: 'execveat alone is open', allowed: ['execveat'], cve: 'CVE-2018-14634', blocked: false },
    { name: 'a longer name is open', allowed: ['recvmmsg'], cve: 'CVE-2013-1979', blocked: true },
    {
      name: 'a newer form of the same call is open',
      allowed: ['clone3'],
      cve: 'CVE-2019-11815',
      blocked: false,
    },
  ])('if $name: $cve $blocked', ({ allowed, cve, blocked }) => {
    expect(blockedWith(allowed).has(cve)).toBe(blocked);
  });

  it('are not taken away on i386 while its multiplexer is open', () => {
    expect(blockedWith([], 'i386').has('CVE-2017-6074')).toBe(true);
    expect(blockedWith(['socketcall'], 'i386').has('CVE-2017-6074')).toBe(false);
  });
});
