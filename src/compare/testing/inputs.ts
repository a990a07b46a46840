import { syscallNumber } from '../../abi/syscalls.ts';
import { samplePolicy } from '../../export/testing/sample-policy.ts';
import type { Policy } from '../../policy/model.ts';
import type { Call, Profile } from '../../profile/model.ts';
import { recut } from '../../profile/recut.ts';
import { sampleCall, sampleProfile, sampleRun } from '../../profile/testing/sample-profile.ts';
import type { ComparisonInput } from '../source.ts';

/** A document of callgate with the label. */
export function inputOf(label: string, document: Profile | Policy): ComparisonInput {
  return {
    label,
    format: 'callgate',
    document:
      document.format === 'callgate-policy'
        ? { kind: 'policy', policy: document as Policy }
        : { kind: 'profile', profile: document as Profile },
    remarks: [],
  };
}

/** A trace of one process that made these calls, which took as many seconds. */
export function observed(label: string, names: readonly string[], seconds = 1): ComparisonInput {
  const profile = sampleProfile([
    { pid: 7, program: '/bin/a', calls: Object.fromEntries(names.map((name) => [name, [1, 2] as const])) },
  ]);
  return inputOf(label, {
    ...profile,
    runs: profile.runs.map((run) => ({ ...run, duration: seconds * 1e9 })),
  });
}

/** A static analysis that finds these calls possible. */
export function possible(label: string, names: readonly string[], seconds = 1): ComparisonInput {
  return inputOf(label, {
    ...sampleProfile([]),
    runs: [sampleRun({ method: 'analyze', duration: seconds * 1e9 })],
    programs: [{ path: '/bin/a', buildId: null, calls: possibleCalls(names) }],
  });
}

/** Calls of a program that are possible by code. */
export function possibleCalls(names: readonly string[]): Profile['programs'][number]['calls'] {
  return names.map((name) => sampleCall(syscallNumber('x86_64', name)!, name)).sort((a, b) => a.nr - b.nr);
}

/** A policy with these phases. */
export function allowing(
  label: string,
  phases: Readonly<Record<string, readonly string[]>>,
): ComparisonInput {
  return inputOf(label, samplePolicy({ phases }));
}

/**
 * A server that a shell starts, in two phases: 11 calls besides the execve that starts the shell, 8 of them in setup and 4 in
 * main, one of i386 and one without a name.
 */
export function serverProfile(): Profile {
  const profile = sampleProfile([
    { pid: 100, program: '/bin/dash', end: 10, calls: { brk: [1, 2], exit: [9, 9] } },
    {
      pid: 100,
      birth: 'exec',
      parent: 0,
      program: '/srv/server',
      start: 10,
      calls: {
        read: [11, 2900],
        mprotect: [12, 13],
        listen: [30, 31],
        epoll_wait: { uses: [40, 50], waited: 2800 },
        accept4: [60, 2000],
        ioctl: [14, 15],
      },
    },
    { pid: 103, birth: 'fork', parent: 1, program: '/srv/server', start: 100, calls: { write: [110, 150] } },
  ]);
  const at = (time: number): Partial<Call> => ({
    origin: 'observed',
    count: 1,
    first: time * 1e6,
    last: time * 1e6,
  });
  const more: readonly (readonly Call[])[] = [
    [{ ...sampleCall(59, 'execve', at(0)), launch: true }],
    [
      { ...sampleCall(5, 'open', at(16)), arch: 'i386' },
      { ...sampleCall(600, 'none', at(17)), name: null },
    ],
  ];
  return recut(
    {
      ...profile,
      processes: profile.processes.map((process, index) => ({
        ...process,
        calls: [...process.calls, ...(more[index] ?? [])],
      })),
    },
    { trigger: 'syscall:epoll_wait', source: 'auto', reason: 'it waits', times: new Map([[1, 40e6]]) },
  );
}
