import { describe, expect, it } from 'vitest';
import { ARCHES } from './arch.ts';
import { syscallNumber } from './syscalls.ts';
import { isWaitingCall, waitCategory, waitingCalls } from './waiting-calls.ts';

const number = (arch: (typeof ARCHES)[number], name: string): number => syscallNumber(arch, name) ?? -1;

describe('waitCategory', () => {
  it.each([
    ['x86_64', 'epoll_wait', 'event'],
    ['x86_64', 'accept4', 'event'],
    ['x86_64', 'clock_nanosleep', 'sleep'],
    ['x86_64', 'wait4', 'child'],
    ['x86_64', 'futex', 'lock'],
    ['x86_64', 'read', 'data'],
    ['x32', 'recvfrom', 'data'],
    ['i386', 'ppoll_time64', 'event'],
    ['i386', '_newselect', 'event'],
    ['aarch64', 'ppoll', 'event'],
    ['x86_64', 'write', null],
  ] as const)('on %s says of %s %s', (arch, name, want) => {
    expect(waitCategory(arch, number(arch, name))).toBe(want);
  });

  it('looks into the multiplexers of i386', () => {
    expect(waitCategory('i386', 102)).toBeNull();
    expect(waitCategory('i386', 102, 5)).toBe('event');
    expect(waitCategory('i386', 102, 1)).toBeNull();
    expect(waitCategory('i386', 117, 0x1000c)).toBe('data');
    expect(waitCategory('x86_64', 102, 5)).toBeNull();
  });

  it('gives null for a number that no table has', () => {
    expect(isWaitingCall('x86_64', 9999)).toBe(false);
  });
});

describe('waitingCalls', () => {
  it('names only calls that some arch has', () => {
    const used = new Set(
      ARCHES.flatMap((arch) => [...waitingCalls(arch).keys()].map((nr) => `${arch} ${nr}`)),
    );
    expect(used.size).toBe(ARCHES.reduce((sum, arch) => sum + waitingCalls(arch).size, 0));
    expect(waitingCalls('x86_64').size).toBeGreaterThan(30);
  });
});
