import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../base/errors.ts';
import { createProfileParser } from './load.ts';
import { mergeProfiles } from './merge.ts';
import type { Phase, Profile } from './model.ts';
import { cutOf } from './phase-order.ts';
import { formatProfile } from './save.ts';
import { arbitraryProfile } from './testing/arbitrary-profile.ts';
import { sampleCall, sampleProfile, sampleRun } from './testing/sample-profile.ts';

describe('mergeProfiles', () => {
  it('does not depend on how profiles are grouped', () => {
    fc.assert(
      fc.property(arbitraryProfile(), arbitraryProfile(), arbitraryProfile(), (a, b, c) => {
        const all = mergeProfiles([a, b, c]);
        expect(mergeProfiles([mergeProfiles([a, b]), c])).toEqual(all);
        expect(mergeProfiles([a, mergeProfiles([b, c])])).toEqual(all);
      }),
    );
  });

  it('gives phases the same order whatever the order of the profiles, and each run its own', () => {
    fc.assert(
      fc.property(arbitraryProfile(), arbitraryProfile(), (a, b) => {
        const merged = mergeProfiles([a, b]);
        const turned = mergeProfiles([b, a]);
        expect(namesOf(turned)).toEqual(namesOf(merged));
        const cuts = [a, b].flatMap((profile) => profile.runs.map((run) => cutOf(profile, run)));
        expect(merged.runs.map((run) => cutOf(merged, run))).toEqual(cuts);
      }),
    );
  });

  it('gives a valid document', () => {
    const parse = createProfileParser();
    fc.assert(
      fc.property(fc.array(arbitraryProfile(), { minLength: 1, maxLength: 3 }), (profiles) => {
        const merged = mergeProfiles(profiles);
        expect(parse(formatProfile(merged))).toEqual(merged);
      }),
    );
  });

  it('keeps every run and process and moves their indices', () => {
    const one = sampleProfile([
      { pid: 1, program: '/bin/a', calls: { read: [1, 2] } },
      { pid: 2, birth: 'fork', parent: 0, program: '/bin/a', calls: { read: [1, 2] } },
    ]);
    const two = sampleProfile([
      { pid: 1, program: '/bin/b', calls: { read: [1, 2] } },
      { pid: 1, birth: 'exec', parent: 0, program: '/bin/a', calls: { read: [1, 2] } },
    ]);
    const merged = mergeProfiles([one, two]);
    expect(merged.runs).toHaveLength(2);
    expect(merged.programs.map(({ path }) => path)).toEqual(['/bin/a', '/bin/b']);
    expect(merged.processes.map(({ run, parent, program }) => [run, parent, program])).toEqual([
      [0, null, 0],
      [0, 0, 0],
      [1, null, 1],
      [1, 2, 0],
    ]);
  });

  it('takes programs with the same path but another build-id for two', () => {
    const merged = mergeProfiles(
      ['aa', 'bb', 'aa'].map((buildId) => withPrograms([{ path: '/bin/a', buildId, calls: [] }])),
    );
    expect(merged.programs.map(({ buildId }) => buildId)).toEqual(['aa', 'bb']);
  });

  it('takes programs with one build-id for one, under the path by which a process ran it', () => {
    const trace = sampleProfile([
      { pid: 1, program: '/usr/bin/other', calls: { read: [1, 1] } },
      { pid: 2, program: '/usr/bin/tool', calls: { read: [1, 1] } },
    ]);
    const ran = {
      ...trace,
      programs: trace.programs.map((each, index) => ({ ...each, buildId: `a${index}` })),
    };
    const link = withPrograms([{ path: '/bin/link', buildId: 'a1', calls: [sampleCall(1, 'write')] }]);
    const copy = withPrograms([{ path: '/opt/copy', buildId: 'a1', calls: [sampleCall(3, 'close')] }]);
    for (const profiles of [
      [ran, link, copy],
      [link, copy, ran],
    ]) {
      const merged = mergeProfiles(profiles);
      expect(merged.programs.map(({ path, calls }) => [path, calls.map(({ name }) => name)])).toEqual([
        ['/usr/bin/other', []],
        ['/usr/bin/tool', ['write', 'close']],
      ]);
      expect(merged.processes.map(({ program }) => program)).toEqual([0, 1]);
    }
    expect(mergeProfiles([link, copy]).programs.map(({ path }) => path)).toEqual(['/bin/link']);
  });

  it('knows a program without build-id by its path alone', () => {
    const programs = ['/a', '/b', '/a'].map((path) => ({ path, buildId: null, calls: [] }));
    const merged = mergeProfiles(programs.map((program) => withPrograms([program])));
    expect(merged.programs.map(({ path }) => path)).toEqual(['/a', '/b']);
  });

  it('unites what is known of the calls of a program', () => {
    const merged = mergeProfiles([
      withPrograms([
        {
          path: '/a',
          buildId: null,
          calls: [sampleCall(1, 'write', { origin: 'imported' }), sampleCall(0, 'read')],
        },
      ]),
      withPrograms([{ path: '/a', buildId: null, calls: [sampleCall(1, 'write')] }]),
    ]);
    expect(merged.programs[0]?.calls).toEqual([sampleCall(0, 'read'), sampleCall(1, 'write')]);
  });

  it('makes phases with one name one, with all their triggers', () => {
    const merged = mergeProfiles([
      withMain({ trigger: 'syscall:poll', entered: false }),
      withPrograms([]),
      withMain({ trigger: 'listen:80' }),
      withMain({ trigger: 'syscall:poll' }),
    ]);
    expect(merged.phases).toEqual([
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      { name: 'main', trigger: 'syscall:poll | listen:80', source: 'given', reason: null, entered: true },
    ]);
  });

  it('keeps the reasons of automatic phases, but not next to a given one', () => {
    const auto = (reason: string): Profile => withMain({ source: 'auto', reason });
    expect(mergeProfiles([auto('a waits'), auto('b waits; a waits')]).phases[1]?.reason).toBe(
      'a waits; b waits',
    );
    expect(mergeProfiles([auto('a waits'), withMain({})]).phases[1]).toMatchObject({
      source: 'given',
      reason: null,
    });
  });

  it('gives phases an order that is that of every run, and moves their indices', () => {
    const warm: Phase = { name: 'warm', trigger: 'key', source: 'given', reason: null, entered: true };
    const base = sampleProfile([{ pid: 1, calls: { read: [1, 2] } }]);
    const [setup] = base.phases as [Phase];
    const main = { ...warm, name: 'main' };
    const inMain = base.processes.map((process) => ({
      ...process,
      transitions: [{ phase: 1, at: 0 }],
      calls: process.calls.map((call) => ({ ...call, phases: [1] })),
    }));
    const processes = base.processes.map((process) => ({
      ...process,
      transitions: [{ phase: 1, at: 0 }],
      calls: process.calls.map((call) => ({ ...call, phases: [1, 2] })),
    }));
    const short = { ...base, phases: [setup, main], processes: inMain };
    const long = { ...base, phases: [setup, warm, main], processes };
    const merged = mergeProfiles([short, long]);
    expect(namesOf(merged)).toEqual(['setup', 'warm', 'main']);
    expect(namesOf(mergeProfiles([long, short]))).toEqual(['setup', 'warm', 'main']);
    expect(merged.runs.map(({ phases }) => phases)).toEqual([[0, 2], undefined]);
    expect(merged.processes.map(({ transitions, calls }) => [transitions, calls[0]?.phases])).toEqual([
      [[{ phase: 2, at: 0 }], [2]],
      [[{ phase: 1, at: 0 }], [1, 2]],
    ]);
  });

  it('takes the order of what was merged before from its runs, not from where a merge put them', () => {
    const cutBy = (...names: readonly string[]): Profile => {
      const base = withMain({});
      const [setup, main] = base.phases as [Phase, Phase];
      return { ...base, phases: [setup, ...names.map((name) => ({ ...main, name }))] };
    };
    const merged = mergeProfiles([cutBy('a'), cutBy('b')]);
    expect(namesOf(merged)).toEqual(['setup', 'a', 'b']);
    expect(namesOf(mergeProfiles([merged, cutBy('b', 'a')]))).toEqual(['setup', 'b', 'a']);
    expect(() => mergeProfiles([cutBy('a', 'b'), cutBy('b', 'a')])).toThrow(
      new UsageError(
        'merge: the orders of the phases contradict each other, setup, a, b and setup, b, a (cut the profiles alike: callgate phases FILE --at TRIGGER)',
      ),
    );
  });

  it('refuses to merge nothing', () => {
    expect(() => mergeProfiles([])).toThrow(new UsageError('merge: needs a profile, got none'));
  });
});

function namesOf({ phases }: Profile): readonly string[] {
  return phases.map(({ name }) => name);
}

function withPrograms(programs: Profile['programs']): Profile {
  return { ...sampleProfile([]), runs: [sampleRun({ method: 'analyze' })], programs };
}

function withMain(fields: Partial<Phase>): Profile {
  const base = withPrograms([]);
  const main: Phase = {
    name: 'main',
    trigger: 'key',
    source: 'given',
    reason: null,
    entered: true,
    ...fields,
  };
  return { ...base, phases: [...base.phases, main] };
}
