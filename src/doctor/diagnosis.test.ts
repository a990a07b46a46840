import { describe, expect, it } from 'vitest';
import { everyPtrace, PROBED_ACTIONS, PROBED_FLAGS, untriedFacts } from '../sys/probe-facts.ts';
import type { Check } from './check.ts';
import { isTracingSupported, judgeFacts, type Diagnosis } from './diagnosis.ts';
import { isRelease } from './facts.ts';
import {
  capabilities,
  EINVAL,
  EIO,
  ENOSYS,
  EPERM,
  every,
  scriptMachine,
  UNTRIED,
} from './testing/machines.ts';

const OK = scriptMachine().native;

function find(diagnosis: Diagnosis, name: string): Check {
  const check = diagnosis.checks.find((one) => one.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
}

/** `start:seccomp start:ptrace attach:ptrace` as one word each. */
function methods(diagnosis: Diagnosis): string[] {
  const statusOf = (wanted: string): unknown =>
    diagnosis.methods.find(({ method }) => method === wanted)?.status;
  expect(statusOf('adaptive')).toBe(statusOf('seccomp'));
  return diagnosis.methods
    .filter(({ method }) => method !== 'ebpf' && method !== 'adaptive')
    .map(({ status }) => status);
}

/** What callgate takes to start a program, and to attach to one. */
function defaults(diagnosis: Diagnosis): string[] {
  return diagnosis.methods.filter(({ isDefault }) => isDefault).map(({ method }) => method);
}

describe('a machine on which everything works', () => {
  const diagnosis = judgeFacts(scriptMachine());

  it('has nothing to do', () => {
    expect(diagnosis.checks.filter(({ status }) => status !== 'supported')).toEqual([]);
    expect(diagnosis.notes).toEqual([]);
    expect(isTracingSupported(diagnosis)).toBe(true);
  });

  it('names every check once', () => {
    const names = diagnosis.checks.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('Yama', () => {
  const user = { effective: 0n };
  const cases = [
    {
      name: 'at 0 leaves a user the own processes',
      scope: '0',
      self: user,
      check: 'supported',
      want: ['supported', 'supported', 'supported'],
    },
    {
      name: 'at 1 keeps a user from attaching but not from starting',
      scope: '1',
      self: user,
      check: 'unsupported',
      want: ['supported', 'supported', 'unsupported'],
    },
    {
      name: 'at 1 does not bind root',
      scope: '1',
      self: {},
      check: 'supported',
      want: ['supported', 'supported', 'supported'],
    },
    {
      name: 'at 2 keeps a user from both',
      scope: '2',
      self: user,
      check: 'unsupported',
      want: ['unsupported', 'unsupported', 'unsupported'],
    },
    {
      name: 'at 2 does not bind root',
      scope: '2',
      self: {},
      check: 'supported',
      want: ['supported', 'supported', 'supported'],
    },
    {
      name: 'at 3 binds root too',
      scope: '3',
      self: {},
      check: 'unsupported',
      want: ['unsupported', 'unsupported', 'unsupported'],
    },
  ];
  it.each(cases)('$name', ({ scope, self, check, want }) => {
    const diagnosis = judgeFacts(scriptMachine({ yama: { kind: 'value', text: scope }, self }));
    expect(find(diagnosis, 'Yama ptrace_scope').status).toBe(check);
    expect(methods(diagnosis)).toEqual(want);
  });

  it('that refuses the probe is named as the reason', () => {
    const diagnosis = judgeFacts(
      scriptMachine({
        yama: { kind: 'value', text: '3' },
        native: { ptrace: { ...everyPtrace(UNTRIED), seize: EPERM } },
      }),
    );
    expect(find(diagnosis, 'PTRACE_SEIZE').advice).toBe('see Yama ptrace_scope');
    expect(defaults(diagnosis)).toEqual(['ebpf', 'ebpf']);
    expect(find(diagnosis, 'Yama ptrace_scope').advice).toContain('reboot');
  });

  it('that cannot be read leaves attaching undetermined', () => {
    const diagnosis = judgeFacts(scriptMachine({ yama: { kind: 'unreadable', reason: 'ENOENT' } }));
    expect(methods(diagnosis)).toEqual(['supported', 'supported', 'undetermined']);
  });
});

describe('a container without CAP_SYS_PTRACE', () => {
  const self = { effective: 0n, bounding: capabilities('BPF'), seccompMode: 2, seccompFilters: 1 };
  const container = { self, containerHints: ['/.dockerenv'] };

  it('can trace what it starts, and is told how to attach', () => {
    const diagnosis = judgeFacts(scriptMachine({ ...container, yama: { kind: 'value', text: '1' } }));
    expect(methods(diagnosis)).toEqual(['supported', 'supported', 'unsupported']);
    expect(find(diagnosis, 'Yama ptrace_scope').advice).toContain('--cap-add SYS_PTRACE');
    expect(find(diagnosis, 'CAP_SYS_PTRACE').advice).toBe('start the container with --cap-add SYS_PTRACE');
    expect(find(diagnosis, 'CAP_BPF').advice).toBe('run as root');
    expect(diagnosis.notes.map(({ name }) => name)).toEqual(['container', 'no_new_privs', 'seccomp']);
  });

  it('whose filter forbids ptrace is told so', () => {
    const ptrace = { ...everyPtrace(UNTRIED), seize: EPERM };
    const seccomp = { ...OK.seccomp, traceStop: EPERM };
    const diagnosis = judgeFacts(scriptMachine({ ...container, native: { ptrace, seccomp } }));
    expect(methods(diagnosis)).toEqual(['unsupported', 'unsupported', 'unsupported']);
    expect(find(diagnosis, 'PTRACE_SEIZE').advice).toContain('seccomp=unconfined');
    expect(find(diagnosis, 'PTRACE_EVENT_SECCOMP').advice).toBe('see PTRACE_SEIZE');
  });
});

describe('an old kernel', () => {
  it('without PTRACE_GET_SYSCALL_INFO cannot trace', () => {
    const diagnosis = judgeFacts(
      scriptMachine({
        kernel: '4.19.0-27-amd64',
        native: {
          ptrace: { ...OK.ptrace, syscallInfo: EIO },
          seccomp: {
            ...OK.seccomp,
            actions: { ...OK.seccomp.actions, USER_NOTIF: { kind: 'error', errno: 95 } },
            flags: { ...OK.seccomp.flags, NEW_LISTENER: EINVAL, TSYNC_ESRCH: EINVAL },
            traceStop: EIO,
          },
        },
      }),
    );
    expect(methods(diagnosis)).toEqual(['unsupported', 'unsupported', 'unsupported']);
    expect(find(diagnosis, 'kernel').status).toBe('unsupported');
    expect(find(diagnosis, 'PTRACE_GET_SYSCALL_INFO').advice).toContain('Linux 5.3');
    expect(find(diagnosis, 'SECCOMP_RET_USER_NOTIF').advice).toBe('boot Linux 5.0 or newer');
    expect(find(diagnosis, 'SECCOMP_FILTER_FLAG_TSYNC_ESRCH').advice).toBe('boot Linux 5.7 or newer');
    expect(find(diagnosis, 'SECCOMP_FILTER_FLAG_TSYNC').status).toBe('supported');
  });

  it('by number only is judged by what it does', () => {
    const diagnosis = judgeFacts(scriptMachine({ kernel: '4.18.0-553.el8_10.x86_64' }));
    expect(find(diagnosis, 'kernel').status).toBe('supported');
    expect(isTracingSupported(diagnosis)).toBe(true);
  });

  it('before 4.14 leaves the actions undetermined', () => {
    const seccomp = { ...OK.seccomp, actions: every(PROBED_ACTIONS, EINVAL) };
    const diagnosis = judgeFacts(
      scriptMachine({ actionsAvailable: { kind: 'absent' }, native: { seccomp } }),
    );
    expect(find(diagnosis, 'SECCOMP_RET_ERRNO').status).toBe('undetermined');
  });
});

it('a kernel without seccomp leaves --method ptrace', () => {
  const diagnosis = judgeFacts(
    scriptMachine({
      self: { seccompMode: null, seccompFilters: null },
      actionsAvailable: { kind: 'absent' },
      native: {
        seccomp: {
          actions: every(PROBED_ACTIONS, ENOSYS),
          flags: every(PROBED_FLAGS, ENOSYS),
          traceStop: ENOSYS,
        },
      },
    }),
  );
  expect(methods(diagnosis)).toEqual(['unsupported', 'supported', 'supported']);
  expect(defaults(diagnosis)).toEqual(['ebpf', 'ebpf']);
  expect(find(diagnosis, 'PTRACE_EVENT_SECCOMP').advice).toBe(
    'boot a kernel with CONFIG_SECCOMP_FILTER; callgate trace --method ptrace needs no filter',
  );
  expect(find(diagnosis, 'SECCOMP_RET_TRACE').advice).toBe('boot a kernel with CONFIG_SECCOMP_FILTER');
});

it('a filter that is installed but stops nothing is no support', () => {
  const seccomp = { ...OK.seccomp, traceStop: { kind: 'value', value: -1 } } as const;
  expect(methods(judgeFacts(scriptMachine({ native: { seccomp } })))[0]).toBe('unsupported');
});

it('callgate under a tracer is told to run by itself', () => {
  const ptrace = { ...everyPtrace(UNTRIED), seize: EPERM };
  const diagnosis = judgeFacts(scriptMachine({ self: { tracerPid: 7 }, native: { ptrace } }));
  expect(find(diagnosis, 'PTRACE_SEIZE').advice).toContain('by pid 7');
});

it('a machine without koffi or glibc fails by libc, and the rest is undetermined', () => {
  const diagnosis = judgeFacts(scriptMachine({ native: untriedFacts('cannot find koffi') }));
  expect(find(diagnosis, 'libc').status).toBe('unsupported');
  expect(find(diagnosis, 'PTRACE_SEIZE').status).toBe('undetermined');
  expect(diagnosis.methods.map(({ missing }) => missing)).toEqual(diagnosis.methods.map(() => ['libc']));
});

describe('eBPF', () => {
  it('is the default where it works', () => {
    const diagnosis = judgeFacts(scriptMachine());
    expect(defaults(diagnosis)).toEqual(['ebpf', 'ebpf']);
  });

  it.each([
    {
      name: 'without privilege',
      machine: { self: { effective: 0n }, native: { bpf: EPERM } },
      missing: ['bpf(2)'],
    },
    {
      name: 'without BTF',
      machine: { btf: { kind: 'absent' } as const },
      missing: ['BTF'],
    },
    { name: 'in a pid namespace', machine: { initialPids: false }, missing: ['pid namespace'] },
  ])('$name leaves the other methods, and what is missing is named', ({ machine, missing }) => {
    const diagnosis = judgeFacts(scriptMachine(machine));
    expect(defaults(diagnosis)).toEqual(['seccomp', 'ptrace']);
    expect(isTracingSupported(diagnosis)).toBe(true);
    expect(diagnosis.methods.find(({ method }) => method === 'ebpf')?.missing).toEqual(
      expect.arrayContaining(missing),
    );
  });
});

it('a machine without /proc is judged without an exception', () => {
  const diagnosis = judgeFacts(scriptMachine({ self: null, procOptions: null, allUsersMapped: null }));
  expect(find(diagnosis, '/proc').status).toBe('unsupported');
  expect(find(diagnosis, 'CAP_BPF').status).toBe('undetermined');
});

it('CAP_SYS_ADMIN stands in for the capabilities that were split off it', () => {
  const diagnosis = judgeFacts(scriptMachine({ self: { effective: capabilities('SYS_ADMIN') } }));
  expect(find(diagnosis, 'CAP_BPF').detail).toBe('by CAP_SYS_ADMIN');
});

it.each([
  ['5.3', '5.3', true],
  ['5.10.0-28-amd64', '5.3', true],
  ['5.2.21', '5.3', false],
  ['20.19.0', '20.19.0', true],
  ['20.18.3', '20.19.0', false],
  ['unknown', '5.3', null],
])('release %s against %s is %s', (release, minimum, want) => {
  expect(isRelease(release, minimum)).toBe(want);
});
