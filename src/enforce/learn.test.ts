import { describe, expect, it } from 'vitest';
import type { Arch } from '../abi/arch.ts';
import { syscallName, syscallNumber } from '../abi/syscalls.ts';
import { parsePolicy } from '../policy/load.ts';
import {
  ARGUMENT_VALUE_CAP,
  POLICY_FORMAT,
  POLICY_VERSION,
  type Policy,
  type PolicyArgument,
  type PolicyCall,
  type PolicyPhase,
} from '../policy/model.ts';
import { formatPolicyJson, formatPolicyYaml } from '../policy/save.ts';
import type { Violation } from '../trace/backend.ts';
import { learnViolations, openedCalls } from './learn.ts';

function call(name: string, args: readonly PolicyArgument[] = [], why: readonly string[] = []): PolicyCall {
  return { arch: 'x86_64', nr: syscallNumber('x86_64', name) as number, name, args, why };
}

function phase(
  name: string,
  calls: readonly PolicyCall[],
  programs: PolicyPhase['programs'] = [],
): PolicyPhase {
  return { name, trigger: name === 'setup' ? null : 'key', calls, programs };
}

function policy(phases: readonly PolicyPhase[], more: Partial<Policy> = {}): Policy {
  return {
    format: POLICY_FORMAT,
    version: POLICY_VERSION,
    generator: { name: 'test', version: '1' },
    sources: [],
    strict: 'observed',
    kernels: null,
    onViolation: 'kill',
    arches: [{ arch: 'x86_64', newest: 400 }],
    enosys: [],
    groups: [],
    phases,
    ...more,
  };
}

function violation(name: string, more: Partial<Violation> = {}): Violation {
  const arch: Arch = more.arch ?? 'x86_64';
  return {
    pid: 10,
    tid: 10,
    program: '/bin/one',
    sets: [],
    phase: 0,
    arch,
    nr: syscallNumber(arch, name) as number,
    args: [0n, 0n, 0n, 0n, 0n, 0n],
    at: 1,
    outcome: 'allowed',
    backtrace: [],
    ...more,
  };
}

const ioctl = (values: readonly bigint[], more: Partial<PolicyArgument> = {}): PolicyCall =>
  call('ioctl', [{ index: 1, name: 'request', width: 32, values, free: 0n, ...more }], ['seen']);

/** Names by phase. */
function names({ phases }: Policy): (string | null)[][] {
  return phases.map(({ calls }) => calls.map(({ name }) => name));
}

describe('learnViolations', () => {
  it('adds a call to the phase in which it was seen and to all before, as filters are only tightened', () => {
    const original = policy([phase('setup', [call('read')]), phase('main', []), phase('end', [])]);
    const learned = learnViolations(original, [violation('mkdir', { phase: 1 })], 'because');
    expect(names(learned)).toEqual([['read', 'mkdir'], ['mkdir'], []]);
    expect(learned.phases[1]?.calls[0]).toEqual(call('mkdir', [], ['because']));
  });

  it('adds a call only once, however often it was seen', () => {
    const learned = learnViolations(
      policy([phase('setup', [])]),
      [violation('mkdir'), violation('mkdir', { pid: 11 })],
      'w',
    );
    expect(names(learned)).toEqual([['mkdir']]);
  });

  it('leaves what is allowed as it is', () => {
    const original = policy([phase('setup', [call('mkdir', [], ['mine'])])]);
    expect(learnViolations(original, [violation('mkdir')], 'w')).toEqual(original);
    expect(learnViolations(original, [], 'w')).toEqual(original);
  });

  it('adds the value of an argument to a rule, in order, and says so beside what was said', () => {
    const original = policy([phase('setup', [ioctl([1n, 9n])])]);
    const args = [7n, 5n, 0n, 0n, 0n, 0n];
    const [learned] =
      learnViolations(original, [violation('ioctl', { args })], 'because').phases[0]?.calls ?? [];
    expect(learned?.args[0]?.values).toEqual([1n, 5n, 9n]);
    expect(learned?.why).toEqual(['seen', 'because']);
  });

  it('says so only once for many values', () => {
    const seen = [2n, 3n, 4n].map((value) => violation('ioctl', { args: [0n, value, 0n, 0n, 0n, 0n] }));
    const [learned] =
      learnViolations(policy([phase('setup', [ioctl([1n])])]), seen, 'because').phases[0]?.calls ?? [];
    expect(learned?.args[0]?.values).toEqual([1n, 2n, 3n, 4n]);
    expect(learned?.why).toEqual(['seen', 'because']);
  });

  it('takes as many bits of an argument as the rule looks at', () => {
    const args = [0n, 0xffff_ffff_0000_0005n, 0n, 0n, 0n, 0n];
    const learned = learnViolations(
      policy([phase('setup', [ioctl([1n])])]),
      [violation('ioctl', { args })],
      'w',
    );
    expect(learned.phases[0]?.calls[0]?.args[0]?.values).toEqual([1n, 5n]);
  });

  it('leaves out bits that may be set or not', () => {
    const args = [0n, 0x85n, 0n, 0n, 0n, 0n];
    const original = policy([phase('setup', [ioctl([1n], { free: 0x80n })])]);
    const learned = learnViolations(original, [violation('ioctl', { args })], 'w');
    expect(learned.phases[0]?.calls[0]?.args[0]).toMatchObject({ values: [1n, 5n], free: 0x80n });
  });

  it('allows any value where there are more than a policy may list', () => {
    const seen = Array.from({ length: ARGUMENT_VALUE_CAP }, (_, value) =>
      violation('ioctl', { args: [0n, BigInt(value + 2), 0n, 0n, 0n, 0n] }),
    );
    const fitting = learnViolations(policy([phase('setup', [ioctl([1n])])]), seen.slice(1), 'w');
    expect(fitting.phases[0]?.calls[0]?.args[0]?.values).toHaveLength(ARGUMENT_VALUE_CAP);
    const before = policy([phase('setup', [ioctl([1n])]), phase('main', [ioctl([1n])])]);
    const learned = learnViolations(
      before,
      seen.map((each) => ({ ...each, phase: 1 })),
      'w',
    );
    const opened = `more than ${ARGUMENT_VALUE_CAP} values, now with any request`;
    for (const { calls } of learned.phases) {
      expect(calls).toEqual([{ ...ioctl([]), args: [], why: ['seen', 'w', opened] }]);
    }
    expect(openedCalls(before, learned).map(({ call: { name }, detail }) => [name, detail])).toEqual([
      ['ioctl', opened],
    ]);
    expect(openedCalls(before, learnViolations(before, seen.slice(1), 'w'))).toEqual([]);
  });

  it('adds a call to the set of the build that made it', () => {
    const programs = ['aa', 'bb'].map((buildId) => ({ path: '/bin/one', buildId, calls: [] }));
    const seen = violation('mkdir', { sets: [{ path: '/bin/one', buildId: 'bb' }] });
    const learned = learnViolations(policy([phase('setup', [], programs)]), [seen], 'w');
    expect(learned.phases[0]?.programs.map(({ calls }) => calls.length)).toEqual([0, 1]);
  });

  it('adds a call to the sets of the programs that held the process, and to no other', () => {
    const programs = ['/bin/one', '/bin/two', '/bin/three'].map((path) => ({
      path,
      buildId: null,
      calls: [],
    }));
    const sets = ['/bin/one', '/bin/two'].map((path) => ({ path, buildId: null }));
    const seen = violation('mkdir', { program: '/bin/two', sets });
    const learned = learnViolations(policy([phase('setup', [], programs)]), [seen], 'w');
    expect(learned.phases[0]?.programs.map(({ calls }) => calls.map(({ name }) => name))).toEqual([
      ['mkdir'],
      ['mkdir'],
      [],
    ]);
    expect(names(learned)).toEqual([['mkdir']]);
  });

  it('takes a call out of those that fail with ENOSYS', () => {
    const original = policy([phase('setup', [])], { enosys: [call('clone3'), call('statx')] });
    const learned = learnViolations(original, [violation('clone3')], 'w');
    expect(learned.enosys.map(({ name }) => name)).toEqual(['statx']);
  });

  it('adds the arch of a call that the policy did not have', () => {
    const learned = learnViolations(
      policy([phase('setup', [])]),
      [violation('getuid', { arch: 'i386' })],
      'w',
    );
    expect(learned.arches.map(({ arch }) => arch)).toEqual(['x86_64', 'i386']);
    expect(learned.phases[0]?.calls).toEqual([
      { arch: 'i386', nr: 24, name: syscallName('i386', 24), args: [], why: ['w'] },
    ]);
  });

  it('keeps a number without a name, and leaves out what no filter can name', () => {
    const numbers = [9999, -7, 0x7fff_ffff].map((nr) => violation('read', { nr }));
    const learned = learnViolations(policy([phase('setup', [])]), numbers, 'w');
    expect(learned.phases[0]?.calls.map(({ nr, name }) => [nr, name])).toEqual([[9999, null]]);
  });

  it.each([
    ['YAML', formatPolicyYaml],
    ['JSON', formatPolicyJson],
  ])('makes a policy that can be read again from %s', (_, format) => {
    const seen = [
      violation('mkdir'),
      violation('getuid', { arch: 'i386' }),
      violation('read', { nr: 9999 }),
      violation('ioctl', { args: [0n, 0xffff_ffffn, 0n, 0n, 0n, 0n] }),
    ];
    const learned = learnViolations(policy([phase('setup', [ioctl([1n])])]), seen, 'because');
    const read = parsePolicy(format(learned));
    expect(new Set(read.phases[0]?.calls.map(({ arch, nr }) => `${arch} ${nr}`))).toEqual(
      new Set(['x86_64 16', 'x86_64 83', 'x86_64 9999', 'i386 24']),
    );
    expect(format(read)).toBe(format(learned));
  });
});
