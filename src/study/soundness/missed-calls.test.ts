import { describe, expect, it } from 'vitest';
import type { Call, Phase, Profile } from '../../profile/model.ts';
import { sampleProfile } from '../../profile/testing/sample-profile.ts';
import { compareCalls } from './missed-calls.ts';

const PHASES: readonly Phase[] = [
  { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
  { name: 'main', trigger: null, source: 'auto', reason: 'waits', entered: true },
];

/** A profile of two processes: the program in both phases, then what it executes. */
function observed(): Profile {
  const profile = sampleProfile([
    { pid: 1, program: '/bin/server', calls: { execve: [0, 0], open: [1, 1], read: [2, 9], write: [9, 9] } },
    { pid: 2, program: '/bin/sh', parent: 0, birth: 'exec', calls: { chdir: [3, 3] } },
  ]);
  const phases: Record<string, readonly number[]> = { read: [0, 1], write: [1] };
  return {
    ...profile,
    phases: PHASES,
    processes: profile.processes.map((process) => ({
      ...process,
      calls: process.calls.map((call) => ({
        ...call,
        phases: phases[call.name ?? ''] ?? [0],
        ...(call.name === 'execve' ? { launch: true as const } : {}),
      })),
    })),
  };
}

function possible(calls: Readonly<Record<string, readonly number[]>>): Profile {
  const names = Object.keys(calls);
  const sample = sampleProfile([
    {
      pid: 1,
      program: '/bin/server',
      calls: Object.fromEntries(names.map((name) => [name, [0, 0]] as const)),
    },
  ]);
  const own = (sample.processes[0]?.calls ?? []).map((call): Call => ({
    ...call,
    origin: 'possible',
    phases: calls[call.name ?? ''] ?? [0],
  }));
  return {
    ...sample,
    phases: PHASES,
    processes: [],
    programs: sample.programs.map((program) => ({ ...program, calls: own })),
  };
}

describe('observed calls held against possible ones', () => {
  it('are all there if every phase has what was seen in it', () => {
    const analysis = possible({ open: [0], read: [0, 1], write: [0, 1], close: [1] });
    expect(compareCalls(observed(), analysis, '/bin/server')).toEqual([
      { program: '/bin/server', phase: null, observed: 3, possible: 4, missed: [] },
      { program: '/bin/server', phase: 'setup', observed: 2, possible: 3, missed: [] },
      { program: '/bin/server', phase: 'main', observed: 2, possible: 3, missed: [] },
    ]);
  });

  it('are missed by name, in the phase in which they were seen', () => {
    const analysis = possible({ read: [0], write: [0, 1] });
    expect(compareCalls(observed(), analysis, '/bin/server').map(({ missed }) => missed)).toEqual([
      ['open'],
      ['open'],
      ['read'],
    ]);
  });

  it('are all missed if the analysis is of another program', () => {
    const analysis = { ...possible({ open: [0], read: [0, 1], write: [0, 1] }), programs: [] };
    expect(compareCalls(observed(), analysis, '/bin/server')[0]).toMatchObject({
      possible: 0,
      missed: ['open', 'read', 'write'],
    });
  });
});
