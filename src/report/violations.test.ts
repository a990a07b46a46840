import { describe, expect, it } from 'vitest';
import type { Violation } from '../trace/backend.ts';
import { samplePhase, samplePolicy } from '../policy/testing/sample-policy.ts';
import { sampleViolation } from './testing/sample-violation.ts';
import { ViolationTally } from './violation-tally.ts';
import { callText, describeSight, describeViolation, formatViolations } from './violations.ts';

const violation = (more: Partial<Violation> = {}): Violation =>
  sampleViolation({ phase: 1, args: [0x7fff_0000n, 0o755n, 0n, 0n, 0n, 0n], outcome: 'killed', ...more });

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

describe('describeSight', () => {
  const one = [samplePhase('setup', '')];
  const two = [...one, samplePhase('main', '')];
  const programs = [
    ...one,
    samplePhase('main', '', { programs: [{ path: '/a', buildId: null, calls: [] }] }),
  ];

  it.each([
    ['errno:EPERM', two, 'has nothing of calls that fail with EPERM, of which the kernel tells nobody'],
    ['kill', one, 'has what a process is killed for'],
    ['kill', two, 'has what a process is killed for until it has the filter of the last phase'],
    ['kill', programs, 'has what a process is killed for'],
    ['trap', one, 'has what a process dies of by SIGSYS'],
    ['log', one, 'calls outside of the policy are only in the log of the kernel'],
  ])('says what is seen with %s', (onViolation, phases, want) => {
    expect(describeSight(samplePolicy(phases, { onViolation }))).toBe(
      `${want}; --audit shows every call outside of the policy`,
    );
  });
});

describe('formatViolations', () => {
  function format(violations: readonly Violation[], cap?: number): readonly string[] {
    const tally = new ViolationTally(samplePolicy([samplePhase('setup', '')]), cap);
    for (const each of violations) tally.add(each);
    return formatViolations(tally, PHASES);
  }

  it('says that there was nothing', () => {
    expect(format([])).toEqual(['audit: no call outside of the policy']);
  });

  it('counts calls and times', () => {
    const seen = [
      violation({ outcome: 'allowed' }),
      violation({ outcome: 'allowed', nr: 84 }),
      violation({ outcome: 'allowed' }),
    ];
    expect(format(seen)).toEqual([
      'audit: 2 calls outside of the policy, 3 times in all',
      '  2 x /bin/tool (pid 10) would be denied mkdir in phase main',
      '  1 x /bin/tool (pid 10) would be denied rmdir in phase main',
    ]);
  });

  it('has the singular for one', () => {
    expect(format([violation()])[0]).toBe('audit: 1 call outside of the policy, once in all');
  });

  it('says that there are more than are listed', () => {
    expect(format([violation(), violation({ nr: 84 }), violation(), violation({ nr: 85 })], 1)).toEqual([
      'audit: more than 1 call outside of the policy, 4 times in all',
      '  2 x /bin/tool (pid 10) killed for mkdir in phase main',
      '  2 x other calls: too many different ones to list them',
    ]);
  });
});
