import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ARCHES, type Arch } from './arch.ts';
import { nearestSyscallNames, syscallName, syscallNumber, syscalls } from './syscalls.ts';

const CI = process.env['CI'] === 'true';

/** Headers of linux-libc-dev (up to 6.10 per arch, later all in uapi/) and linux-libc-dev-arm64-cross, where they lie. */
const HEADERS: Readonly<Record<Arch, readonly string[]>> = {
  x86_64: ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h'],
  i386: ['/usr/include/x86_64-linux-gnu/asm/unistd_32.h'],
  x32: ['/usr/include/x86_64-linux-gnu/asm/unistd_x32.h'],
  aarch64: ['/usr/lib/linux/uapi/arm64/asm/unistd_64.h', '/usr/aarch64-linux-gnu/include/asm/unistd.h'],
};

/** __NR_ constants as gcc's preprocessor leaves them in the first header that there is; null where there is none. */
function readHeader(arch: Arch): Map<string, number> | null {
  const header = HEADERS[arch].find((path) => existsSync(path));
  if (header === undefined) return null;
  const include = header.replace(/asm\/[^/]+$/, '');
  const generic = ['-isystem', include, '-isystem', '/usr/include'];
  // __SYSCALL_COMPAT and the time32 calls of asm-generic stay undefined, as for a 64-bit program.
  const macros = execFileSync('gcc', ['-E', '-dM', '-nostdinc', ...generic, header], { encoding: 'utf8' });
  const raw = new Map(
    [...macros.matchAll(/^#define (__NR\w*) (.+)$/gm)].map(([, name, value]) => [name ?? '', value ?? '']),
  );
  const numbers = new Map<string, number>();
  for (const [macro, value] of raw) {
    if (!macro.startsWith('__NR_') || macro === '__NR_arch_specific_syscall' || macro === '__NR_syscalls')
      continue;
    const resolved = raw.get(value) ?? value;
    const nr = /^(?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$/.exec(resolved)?.[1];
    if (nr !== undefined) numbers.set(macro.slice('__NR_'.length), Number(nr));
  }
  return numbers;
}

/** Names that libseccomp resolves on its arch, and their numbers; null where libseccomp-dev is not installed. */
function resolveWithLibseccomp(arch: Arch, names: readonly string[]): Map<string, number> | null {
  if (!existsSync('/usr/include/seccomp.h')) return null;
  const directory = mkdtempSync(join(tmpdir(), 'callgate-abi-'));
  try {
    const source = join(directory, 'resolve.c');
    const constant = { x86_64: 'X86_64', i386: 'X86', x32: 'X32', aarch64: 'AARCH64' }[arch];
    writeFileSync(
      source,
      `#include <seccomp.h>
#include <stdio.h>
int main(void) {
  char name[128];
  while (scanf("%127s", name) == 1)
    printf("%s %d\\n", name, seccomp_syscall_resolve_name_arch(SCMP_ARCH_${constant}, name));
}
`,
    );
    execFileSync('gcc', ['-o', join(directory, 'resolve'), source, '-lseccomp']);
    const lines = execFileSync(join(directory, 'resolve'), { input: names.join('\n'), encoding: 'utf8' });
    return new Map(
      lines
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([name, nr]) => [name ?? '', Number(nr)] as const)
        // Negative: unknown, or a pseudo number for a call that another arch has.
        .filter(([, nr]) => nr >= 0)
        .map(([name, nr]) => [name, arch === 'x32' ? nr & ~0x40000000 : nr] as const),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Names the missing packages in CI; elsewhere the test is skipped. */
function demand<T>(value: T | null, skip: () => never, need: string): T {
  if (value !== null) return value;
  if (CI) throw new Error(`this test needs ${need}`);
  return skip();
}

describe.each(ARCHES)('the table of %s', (arch) => {
  it('has each number and each name once, in ascending order', () => {
    const numbers = syscalls(arch).map(({ nr }) => nr);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(new Set(syscalls(arch).map(({ name }) => name)).size).toBe(numbers.length);
  });

  it('agrees with the installed kernel headers on every call that both know', ({ skip }) => {
    const headers = demand(readHeader(arch), skip, 'linux-libc-dev, linux-libc-dev-arm64-cross and gcc');
    expect(headers.size).toBeGreaterThan(300);
    const newest = Math.max(...syscalls(arch).map(({ nr }) => nr));
    const disagreements = [...headers].filter(
      ([name, nr]) => syscallNumber(arch, name) !== nr && nr <= newest,
    );
    expect(disagreements).toEqual([]);
  });

  it('lacks no call of the installed kernel headers and adds only newer ones', ({ skip }) => {
    const headers = demand(readHeader(arch), skip, 'linux-libc-dev, linux-libc-dev-arm64-cross and gcc');
    const extra = syscalls(arch).filter(({ name }) => !headers.has(name));
    // Since Linux 5.2 every arch numbers new calls from 424 on, but for the probes that x86_64 keeps to itself.
    const odd = extra.filter(({ nr, name }) => nr <= 450 && !['uretprobe', 'uprobe'].includes(name));
    expect(odd).toEqual([]);
  });

  it('agrees with libseccomp on every call that libseccomp resolves', ({ skip }) => {
    const names = syscalls(arch).map(({ name }) => name);
    const theirs = demand(resolveWithLibseccomp(arch, names), skip, 'libseccomp-dev and gcc');
    expect(theirs.size).toBeGreaterThan(280);
    const disagreements = [...theirs].filter(([name, nr]) => syscallNumber(arch, name) !== nr);
    expect(disagreements).toEqual([]);
  });

  it('gives releases in the form major.minor or major.minor.patch', () => {
    const odd = syscalls(arch).filter(({ since }) => since !== null && !/^\d+\.\d+(\.\d+)?$/.test(since));
    expect(odd).toEqual([]);
  });
});

describe('syscallNumber', () => {
  it.each([
    ['x86_64', 'openat', 257],
    ['i386', 'openat', 295],
    ['x32', 'openat', 257],
    ['aarch64', 'openat', 56],
    ['x32', 'ioctl', 514],
    ['x86_64', 'ioctl', 16],
    ['i386', 'socketcall', 102],
    ['i386', 'clock_gettime64', 403],
    ['x86_64', 'uretprobe', 335],
    ['aarch64', 'mseal', 462],
  ] as const)('on %s knows %s as %i', (arch, name, nr) => {
    expect(syscallNumber(arch, name)).toBe(nr);
    expect(syscallName(arch, nr)).toBe(name);
  });

  it('gives null for a call that the arch does not have', () => {
    expect(syscallNumber('aarch64', 'open')).toBeNull();
    expect(syscallNumber('x86_64', 'constructor')).toBeNull();
  });
});

describe('syscallName', () => {
  it('gives null for numbers without a call', () => {
    expect(syscallName('x86_64', 400)).toBeNull();
    expect(syscallName('x86_64', -1)).toBeNull();
    expect(syscallName('x86_64', 0x40000000)).toBeNull();
    expect(syscallName('i386', 222)).toBeNull();
  });
});

describe('the release of a call', () => {
  it.each([
    ['x86_64', 'cachestat', '6.5'],
    ['x86_64', 'mseal', '6.10'],
    ['x86_64', 'read', '2.6'],
    ['i386', 'read', '1.0'],
    ['i386', 'socket', '4.3'],
    ['x32', 'read', '3.4'],
    ['aarch64', 'read', '3.7'],
    ['i386', 'futex_time64', '5.1'],
    ['x86_64', 'afs_syscall', null],
  ] as const)('on %s for %s is %s', (arch, name, since) => {
    expect(syscalls(arch).find((call) => call.name === name)?.since).toBe(since);
  });
});

describe('nearestSyscallNames', () => {
  it('finds what a slip of the keyboard meant', () => {
    expect(nearestSyscallNames('x86_64', 'opneat')[0]).toBe('openat');
    expect(nearestSyscallNames('x86_64', 'EPOLL_WAIT')[0]).toBe('epoll_wait');
  });

  it('gives at most as many names as asked for', () => {
    expect(nearestSyscallNames('x86_64', 'read', 2)).toHaveLength(2);
  });

  it('gives nothing for a word that resembles no call', () => {
    expect(nearestSyscallNames('x86_64', 'zzzzzzzzzz')).toEqual([]);
  });
});
