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
import { checkRehearsable, checkStartable } from './startable.ts';

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
    expect(
      compilePolicy(policy(), false).map(({ phase, program }) => [phase, program?.path ?? null]),
    ).toEqual([
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

describe('a filter of a process that is followed', () => {
  const UNTRACED = 0x0080_0011n;
  const bare = (phases: Policy['phases'], more: Partial<Policy> = {}): Policy =>
    policy({ enosys: [], arches: [{ arch: 'x86_64', newest: 500 }], phases, ...more });
  const setup = (...names: readonly string[]): Policy['phases'][0] => ({
    name: 'setup',
    trigger: null,
    calls: calls('execve', ...names),
    programs: [],
  });
  const main: Policy['phases'][0] = { name: 'main', trigger: 'key', calls: calls('read'), programs: [] };

  function told(document: Policy, name: string, flags: bigint, audit = false): string[] {
    return compilePolicy(document, audit).map((filter) => verdict(filter, number(name), [flags]));
  }

  it('lets no child be born untraced', () => {
    const document = bare([setup('clone'), { ...main, calls: calls('clone') }]);
    expect(told(document, 'clone', UNTRACED)).toEqual(['errno(38)', 'errno(38)']);
    expect(told(document, 'clone', 0x11n)).toEqual(['allow', 'allow']);
    expect(told(document, 'clone', UNTRACED, true)).toEqual(['errno(38)', 'errno(38)']);
  });

  it('has clone do what clone3 may do, which can hide its flags', () => {
    const document = bare([setup('clone3'), main]);
    for (const audit of [false, true]) {
      expect(told(document, 'clone3', 0n, audit)[0]).toBe('errno(38)');
      expect(told(document, 'clone', 0x11n, audit)[0]).toBe('allow');
      expect(told(document, 'clone', UNTRACED, audit)[0]).toBe('errno(38)');
    }
  });

  it('denies what was denied as before', () => {
    const document = bare([setup(), main]);
    for (const name of ['clone', 'clone3']) {
      expect(told(document, name, UNTRACED)).toEqual(['kill_process', 'kill_process']);
      expect(told(document, name, UNTRACED, true)[0]).toMatch(/^trace/);
    }
    const [clone] = calls('clone');
    const flags = { index: 0, name: 'flags', width: 64 as const, values: [0x11n], free: 0n };
    const strict = bare([{ ...setup(), calls: [{ ...(clone as PolicyCall), args: [flags] }] }, main]);
    expect(told(strict, 'clone', 0x11n)[0]).toBe('allow');
    expect(told(strict, 'clone', UNTRACED)[0]).toBe('kill_process');
    const free = { ...flags, free: 0x0080_0000n };
    const loose = bare([{ ...setup(), calls: [{ ...(clone as PolicyCall), args: [free] }] }, main]);
    expect(told(loose, 'clone', UNTRACED)[0]).toBe('errno(38)');
    expect(told(loose, 'clone', 0x11n)[0]).toBe('allow');
  });

  it('is so for programs with sets of their own, in a single phase', () => {
    const programs = [{ path: '/bin/tool', buildId: null, calls: calls('clone') }];
    const document = bare([{ ...setup('clone'), programs }]);
    expect(told(document, 'clone', UNTRACED)).toEqual(['errno(38)', 'errno(38)']);
  });

  it('is not so where nothing is to come', () => {
    const document = bare([setup('clone', 'clone3')]);
    expect(told(document, 'clone', UNTRACED)).toEqual(['allow']);
    expect(told(document, 'clone3', 0n)).toEqual(['allow']);
    expect(told(bare([setup('clone'), main], { onViolation: 'log' }), 'clone', UNTRACED)[0]).toBe('allow');
  });

  it.each(['i386', 'x32'] as const)('is so for %s', (arch) => {
    const own = ['clone', 'clone3'].map((name) => ({
      arch,
      nr: syscallNumber(arch, name) as number,
      name,
      args: [],
      why: [],
    }));
    const arches = [
      { arch: 'x86_64', newest: 500 },
      { arch, newest: 500 },
    ] as const;
    const document = bare([{ ...setup(), calls: own }, main], { arches });
    const [filter] = compilePolicy(document, false) as [PhaseFilter];
    const [bit, auditArch] = arch === 'x32' ? [0x4000_0000, AUDIT_ARCH.x86_64] : [0, AUDIT_ARCH.i386];
    const found = own.map(({ nr }) => verdict(filter, nr + bit, [UNTRACED], auditArch));
    expect(found).toEqual(['errno(38)', 'errno(38)']);
    expect(verdict(filter, (own[0]?.nr ?? 0) + bit, [0x11n], auditArch)).toBe('allow');
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
    expect(() => checkStartable(policy({ arches, phases }))).toThrow(
      'policy: it has no calls of x86_64, only of i386, so the program could not be started (make one on this machine, or add x86_64 to arches and its calls to the phases)',
    );
    const both = policy({ arches: [{ arch: 'x86_64', newest: 400 }, ...arches], phases });
    expect(() => checkStartable(both)).toThrow(/phase setup does not allow execve,/);
    const turned = policy({ arches: both.arches.toReversed(), phases });
    expect(() => checkStartable(turned)).toThrow(/phase setup does not allow x86_64:execve,/);
  });

  it('lets pass what blocks nothing', () => {
    const phases = [{ name: 'setup', trigger: null, calls: calls('read'), programs: [] }];
    expect(() => checkStartable(policy({ phases, onViolation: 'log' }))).not.toThrow();
  });
});

describe('checkRehearsable', () => {
  it('refuses a policy for other machines alone, by their names', () => {
    const arches: Policy['arches'] = [{ arch: 'aarch64', newest: 400 }];
    expect(() => checkRehearsable(policy({ arches }))).toThrow(
      'policy: the policy is for aarch64, this machine is x86_64',
    );
  });

  it('lets one pass that has calls of this machine as well, and one that only lacks execve', () => {
    const arches: Policy['arches'] = [
      { arch: 'aarch64', newest: 400 },
      { arch: 'i386', newest: 400 },
    ];
    expect(() => checkRehearsable(policy({ arches }))).not.toThrow();
    const phases = [{ name: 'setup', trigger: null, calls: calls('read'), programs: [] }];
    expect(() => checkRehearsable(policy({ phases }))).not.toThrow();
  });
});
