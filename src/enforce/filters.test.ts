import { describe, expect, it } from 'vitest';
import { AUDIT_ARCH } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { decodeAction, formatAction } from '../policy/filter/action.ts';
import { decodeProgram } from '../policy/filter/cbpf.ts';
import { interpretProgram } from '../policy/filter/interpret.ts';
import { PolicyError } from '../policy/filter/policy-error.ts';
import { POLICY_FORMAT, POLICY_VERSION, type Policy, type PolicyCall } from '../policy/model.ts';
import type { PhaseFilter } from '../trace/backend.ts';
import { compilePolicy } from './filters.ts';
import { checkStartable } from './startable.ts';

function calls(...names: readonly string[]): PolicyCall[] {
  return names.map((name) => ({
    arch: 'x86_64',
    nr: syscallNumber('x86_64', name) as number,
    name,
    args: name === 'socket' ? [{ index: 0, name: 'domain', width: 32, values: [1n], free: 0n }] : [],
    why: [],
  }));
}

function policy(more: Partial<Policy> = {}): Policy {
  return {
    format: POLICY_FORMAT,
    version: POLICY_VERSION,
    generator: { name: 'test', version: '1' },
    sources: [],
    strict: 'observed',
    kernels: null,
    onViolation: 'kill',
    arches: [{ arch: 'x86_64', newest: 400 }],
    enosys: calls('statx'),
    groups: [],
    phases: [
      {
        name: 'setup',
        trigger: null,
        calls: calls('read', 'execve', 'socket'),
        programs: [{ path: '/bin/tool', buildId: null, calls: calls('read') }],
      },
      { name: 'main', trigger: 'key', calls: calls('read'), programs: [] },
    ],
    ...more,
  };
}

/** What a filter says to a call of x86-64. */
function verdict(
  { filter }: PhaseFilter,
  nr: number,
  args: readonly bigint[] = [],
  arch: number = AUDIT_ARCH.x86_64,
): string {
  const data = { nr, arch, instructionPointer: 0n, args: [...args, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6) };
  return formatAction(decodeAction(interpretProgram(decodeProgram(filter), data)));
}

const number = (name: string): number => syscallNumber('x86_64', name) as number;

describe('compilePolicy', () => {
  it('makes a filter for each phase, and for each program that has a set of its own', () => {
    expect(compilePolicy(policy(), false).map(({ phase, program }) => [phase, program])).toEqual([
      [0, null],
      [0, '/bin/tool'],
      [1, null],
    ]);
  });

  it('has each filter allow its own set', () => {
    const found = compilePolicy(policy(), false).map((filter) => verdict(filter, number('execve')));
    expect(found).toEqual(['allow', 'kill_process', 'kill_process']);
  });

  it('denies as the policy says', () => {
    const [filter] = compilePolicy(policy(), false) as [PhaseFilter];
    expect(verdict(filter, number('mkdir'))).toBe('kill_process');
    expect(verdict(filter, number('statx'))).toBe('errno(38)');
    expect(verdict(filter, 401)).toBe('errno(38)');
    expect(verdict(filter, number('socket'), [1n])).toBe('allow');
    expect(verdict(filter, number('socket'), [2n])).toBe('kill_process');
    expect(verdict(filter, 1, [], AUDIT_ARCH.i386)).toBe('kill_process');
    expect(verdict(filter, 0x4000_0000)).toBe('kill_process');
  });

  it.each(['kill', 'trap', 'errno:EACCES', 'log'])(
    'stops for the tracer in an audit, whatever %s would do',
    (onViolation) => {
      for (const filter of compilePolicy(policy({ onViolation }), true)) {
        expect(verdict(filter, number('read'))).toBe('allow');
        for (const nr of [number('mkdir'), number('statx'), 401, 0x4000_0000]) {
          expect(verdict(filter, nr)).toMatch(/^trace\(/);
        }
        expect(verdict(filter, number('socket'), [2n])).toMatch(/^trace\(/);
        expect(verdict(filter, 1, [], AUDIT_ARCH.i386)).toMatch(/^trace\(/);
      }
    },
  );

  it('lets a call pass that a tracer has taken back, in an audit too', () => {
    // The number -1: the kernel makes no call for it.
    for (const audit of [false, true]) {
      for (const filter of compilePolicy(policy(), audit)) expect(verdict(filter, -1)).toBe('allow');
    }
  });
});

describe('checkStartable', () => {
  it('lets a policy pass whose first phase allows execve', () => {
    expect(() => checkStartable(policy())).not.toThrow();
  });

  it('refuses one under which nothing could be started, by the name of the phase', () => {
    const [setup, main] = policy().phases as [Policy['phases'][0], Policy['phases'][0]];
    const refused = policy({ phases: [main, setup] });
    expect(() => checkStartable(refused)).toThrow(PolicyError);
    expect(() => checkStartable(refused)).toThrow(/phase main does not allow execve/);
  });

  it('refuses one that allows execve for another arch only, for programs are started from 64-bit code', () => {
    const arches: Policy['arches'] = [{ arch: 'i386', newest: 400 }];
    const execve: PolicyCall = { arch: 'i386', nr: 11, name: 'execve', args: [], why: [] };
    const phases = [{ name: 'setup', trigger: null, calls: [execve], programs: [] }];
    expect(() => checkStartable(policy({ arches, phases }))).toThrow(/does not allow execve/);
  });

  it('lets pass what blocks nothing', () => {
    const phases = [{ name: 'setup', trigger: null, calls: calls('read'), programs: [] }];
    expect(() => checkStartable(policy({ phases, onViolation: 'log' }))).not.toThrow();
  });
});
