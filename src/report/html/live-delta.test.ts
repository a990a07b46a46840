import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalProfile } from '../../profile/canonical.ts';
import type { Profile } from '../../profile/model.ts';
import { sampleProfile } from '../../profile/testing/sample-profile.ts';
import { Recorder, type ProcessRecord } from '../../trace/recorder.ts';
import { applyChanges, packChanges, unpackChanges } from './live-delta.ts';

/** What happens in a trace, in short; `who` picks one of the processes that live. */
const STEP = fc.record({
  kind: fc.constantFrom('call', 'call', 'call', 'fork', 'exec', 'thread', 'phase', 'exit', 'look'),
  who: fc.nat(1000),
  nr: fc.nat(20),
});

type Step = typeof STEP extends fc.Arbitrary<infer Value> ? Value : never;

describe('changes of a recording', () => {
  test('looked at now and then, they add up to the recording as a whole, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
        const { shown, recorder, at } = play(steps);
        const { programs, processes } = recorder.finish();
        const whole: Profile = { ...shown, programs, processes };
        expect(canonicalProfile(shown)).toEqual(canonicalProfile(whole));
        expect(shown.runs[0]?.duration).toBe(at);
      }),
    );
  });

  test('what has not changed is not sent again', () => {
    const recorder = new Recorder();
    const first = born(recorder, null, 0);
    born(recorder, first, 1);
    recorder.call(first, 0, 1, 2);
    recorder.call(first, 0, 2, 10);
    const { processes } = recorder.changes(5);
    expect(processes.map(([index, { calls }]) => [index, calls.map(({ nr }) => nr)])).toEqual([[0, [2]]]);
    expect(recorder.changes(11).processes).toEqual([]);
  });
});

/** Plays a trace; each look sends what is new since the look before to a page, by way of JSON. */
function play(steps: readonly Step[]): { shown: Profile; recorder: Recorder; at: number } {
  const recorder = new Recorder();
  const living: ProcessRecord[] = [born(recorder, null, 0)];
  let shown = sampleProfile([{ pid: 1, calls: {} }]);
  shown = { ...shown, programs: [], processes: [] };
  let since = 0;
  let at = 0;
  for (const { kind, who, nr } of [...steps, { kind: 'look', who: 0, nr: 0 } as const]) {
    at++;
    const place = who % Math.max(1, living.length);
    const process = living[place];
    if (kind === 'look') {
      const changes = { at, ...recorder.changes(since) };
      since = at;
      const sent = JSON.parse(JSON.stringify(packChanges(shown, changes))) as ReturnType<typeof packChanges>;
      shown = applyChanges(shown, unpackChanges(sent));
    } else if (process !== undefined) {
      if (kind === 'call') recorder.call(process, 0, nr, at);
      else if (kind === 'fork') living.push(born(recorder, process, at));
      else if (kind === 'exec')
        living[place] = recorder.exec(process, recorder.program(`/bin/${nr}`, null), ['x'], at);
      else if (kind === 'thread') recorder.startThread(process, 10_000 + at, process.pid, at);
      else if (kind === 'phase') recorder.enterPhase(process, 1 + (nr % 3), at);
      else {
        recorder.endProcess(process, { kind: 'exited', code: 0 }, at);
        living.splice(place, 1);
      }
    }
  }
  return { shown, recorder, at };
}

function born(recorder: Recorder, parent: ProcessRecord | null, at: number): ProcessRecord {
  return recorder.startProcess({
    pid: recorder.processCount + 1,
    birth: parent === null ? 'start' : 'fork',
    parent,
    program: recorder.program('/bin/sh', null),
    argv: null,
    at,
    phase: parent?.phase ?? 0,
  });
}
