import { describe, expect, it } from 'vitest';
import type { Violation } from '../trace/backend.ts';
import { callText, describeViolation, formatViolations, groupViolations } from './violations.ts';

function violation(more: Partial<Violation> = {}): Violation {
  return {
    pid: 10,
    tid: 10,
    program: '/bin/tool',
    sets: [],
    phase: 1,
    arch: 'x86_64',
    nr: 83,
    args: [0x7fff_0000n, 0o755n, 0n, 0n, 0n, 0n],
    at: 5,
    outcome: 'killed',
    backtrace: [],
    ...more,
  };
}

const PHASES = ['setup', 'main'];

describe('callText', () => {
  it('is the name alone where no argument selects what is done', () => {
    expect(callText(violation())).toBe('mkdir');
  });

  it('shows selecting arguments by their constants', () => {
    expect(callText(violation({ nr: 41, args: [2n, 1n, 6n, 0n, 0n, 0n] }))).toBe(
      'socket(domain AF_INET, type SOCK_STREAM, protocol 0x6)',
    );
  });

  it('takes as many bits as the argument has', () => {
    expect(callText(violation({ nr: 41, args: [0xffff_ffff_0000_0001n, 1n, 0n, 0n, 0n, 0n] }))).toContain(
      'domain AF_UNIX',
    );
  });

  it('shows a value without a name as a number', () => {
    expect(callText(violation({ nr: 16, args: [0n, 0xdead_beefn, 0n, 0n, 0n, 0n] }))).toContain('0xdeadbeef');
  });

  it('names an arch that is not x86-64, and a number that has no name', () => {
    expect(callText(violation({ arch: 'i386', nr: 39 }))).toBe('i386 mkdir');
    expect(callText(violation({ nr: 9999 }))).toBe('number 9999');
    expect(callText(violation({ nr: -3 }))).toBe('number -3');
  });
});

describe('describeViolation', () => {
  it('says which call, in which process and phase', () => {
    expect(describeViolation(violation(), PHASES)).toBe('/bin/tool (pid 10) killed for mkdir in phase main');
  });

  it.each([
    ['killed', 'killed for mkdir'],
    ['trapped', 'got SIGSYS for mkdir'],
    ['allowed', 'would be denied mkdir'],
  ] as const)('says what came of a call that was %s', (outcome, words) => {
    expect(describeViolation(violation({ outcome }), PHASES)).toContain(words);
  });

  it('names the thread if it is not the first', () => {
    expect(describeViolation(violation({ tid: 12 }), PHASES)).toContain('(pid 10, thread 12)');
  });

  it('shows the four innermost frames', () => {
    const backtrace = [
      'mkdir+0x7 (/lib/libc.so.6)',
      'make (/bin/tool)',
      'work (/bin/tool)',
      'main (/bin/tool)',
      '_start',
    ];
    expect(describeViolation(violation({ backtrace }), PHASES)).toMatch(
      /, from mkdir\+0x7 \(\/lib\/libc\.so\.6\) < make \(\/bin\/tool\) < work \(\/bin\/tool\) < main \(\/bin\/tool\)$/,
    );
  });

  it('goes without a program, and without a name of the phase', () => {
    expect(describeViolation(violation({ program: null, phase: 7 }), PHASES)).toBe(
      'a program (pid 10) killed for mkdir in phase 7',
    );
  });

  it('keeps control characters of names out', () => {
    const text = describeViolation(
      violation({ program: '/tmp/a\u001b[2J', backtrace: ['f\n (/tmp/b)'] }),
      PHASES,
    );
    expect(text).not.toMatch(/[\n\u001b]/);
  });
});

describe('groupViolations', () => {
  it('counts the same call by the same program in the same phase, whatever the process and the arguments', () => {
    const groups = groupViolations([violation(), violation({ pid: 11, args: [1n, 2n, 0n, 0n, 0n, 0n] })]);
    expect(groups).toEqual([{ first: violation(), count: 2 }]);
  });

  it.each([
    { phase: 0 },
    { program: '/bin/other' },
    { program: null },
    { arch: 'i386' as const },
    { nr: 84 },
    { outcome: 'allowed' as const },
  ])('keeps %o apart', (difference) => {
    const groups = groupViolations([violation(), violation(difference), violation()]);
    expect(groups.map(({ first, count }) => [first, count])).toEqual([
      [violation(), 2],
      [violation(difference), 1],
    ]);
  });
});

describe('formatViolations', () => {
  it('says that there was nothing', () => {
    expect(formatViolations([], PHASES)).toEqual(['audit: no call outside of the policy']);
  });

  it('counts calls and times', () => {
    const seen = [
      violation({ outcome: 'allowed' }),
      violation({ outcome: 'allowed', nr: 84 }),
      violation({ outcome: 'allowed' }),
    ];
    expect(formatViolations(seen, PHASES)).toEqual([
      'audit: 2 calls outside of the policy, 3 times in all',
      '  2 x /bin/tool (pid 10) would be denied mkdir in phase main',
      '  1 x /bin/tool (pid 10) would be denied rmdir in phase main',
    ]);
  });

  it('has the singular for one', () => {
    expect(formatViolations([violation()], PHASES)[0]).toBe(
      'audit: 1 call outside of the policy, once in all',
    );
  });
});
