import { describe, expect, it } from 'vitest';
import { learnViolations } from '../enforce/learn.ts';
import type { PolicyCall } from '../policy/model.ts';
import { sampleCall, samplePhase, samplePolicy } from '../policy/testing/sample-policy.ts';
import type { Violation } from '../trace/backend.ts';
import { sampleViolation as violation } from './testing/sample-violation.ts';
import { ViolationTally } from './violation-tally.ts';

const ioctl = (value: bigint, descriptor = 0n): Violation =>
  violation({ nr: 16, args: [descriptor, value, 0n, 0n, 0n, 0n] });

function tallyOf(
  violations: Iterable<Violation>,
  calls: readonly PolicyCall[] = [],
  cap?: number,
): ViolationTally {
  const tally = new ViolationTally(samplePolicy([samplePhase('setup', '', { calls })]), cap);
  for (const each of violations) tally.add(each);
  return tally;
}

const RULE: readonly PolicyCall[] = [
  sampleCall('ioctl', [{ index: 1, name: 'request', width: 32, values: [1n], free: 0x10n }]),
];

describe('groups of violations', () => {
  it('count the same call by the same program in the same phase, whatever the process and the arguments', () => {
    const { groups } = tallyOf([violation(), violation({ pid: 11, args: [1n, 2n, 0n, 0n, 0n, 0n] })]);
    expect(groups).toEqual([{ first: violation(), count: 2 }]);
  });

  it.each([
    { phase: 1 },
    { program: '/bin/other' },
    { program: null },
    { arch: 'i386' as const },
    { nr: 84 },
    { outcome: 'killed' as const },
  ])('keep %o apart', (difference) => {
    const { groups } = tallyOf([violation(), violation(difference), violation()]);
    expect(groups.map(({ first, count }) => [first, count])).toEqual([
      [violation(), 2],
      [violation(difference), 1],
    ]);
  });

  it('have what comes after any number of the same', () => {
    const { groups, total, learnable, unlisted } = tallyOf([
      ...Array.from({ length: 20_000 }, () => violation()),
      violation({ nr: 84 }),
    ]);
    expect(groups.map(({ first, count }) => [first.nr, count])).toEqual([
      [83, 20_000],
      [84, 1],
    ]);
    expect([total, unlisted]).toEqual([20_001, 0]);
    expect(learnable.map(({ nr }) => nr)).toEqual([83, 84]);
  });

  it('are counted only beyond a cap', () => {
    const tally = tallyOf(
      [83, 84, 85, 83, 86].map((nr) => violation({ nr })),
      [],
      2,
    );
    expect(tally.groups.map(({ first, count }) => [first.nr, count])).toEqual([
      [83, 2],
      [84, 1],
    ]);
    expect([tally.total, tally.unlisted, tally.unlearned]).toEqual([5, 2, 2]);
  });
});

describe('what can be learned', () => {
  it('is each value of an argument that the policy has a rule for, and no other argument', () => {
    const found = [ioctl(1n), ioctl(2n), ioctl(2n, 7n), ioctl(0x12n), ioctl(3n)];
    expect(tallyOf(found, RULE).learnable).toEqual([ioctl(1n), ioctl(2n), ioctl(3n)]);
    expect(tallyOf(found).learnable).toEqual([ioctl(1n)]);
  });

  it('is kept for each of the sets that hold a process', () => {
    const found = [
      violation(),
      violation({ sets: [{ path: '/bin/tool', buildId: null }] }),
      violation({ sets: [{ path: '/bin/tool', buildId: null }], pid: 11 }),
    ];
    expect(tallyOf(found).learnable).toEqual(found.slice(0, 2));
  });

  it('takes no room for a number that no filter can name', () => {
    expect(tallyOf([violation({ nr: -1 }), violation({ nr: 0x7fff_ffff })]).learnable).toEqual([]);
  });

  it.each([3, 254, 255, 256, 1000])('is the same as of all violations, with %i values', (count) => {
    const found = Array.from({ length: count }, (_, index) => ioctl(BigInt(index) << 8n));
    const policy = samplePolicy([samplePhase('setup', '', { calls: RULE })]);
    const { learnable } = tallyOf(found, RULE);
    expect(learnViolations(policy, learnable, 'why')).toEqual(learnViolations(policy, found, 'why'));
    expect(learnable.length).toBeLessThan(260);
  });
});
