import { describe, expect, it } from 'vitest';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Profile } from '../profile/model.ts';
import { sampleCall, sampleProfile, sampleRun } from '../profile/testing/sample-profile.ts';
import { formatCompletenessJson, type CompletenessDocument } from './completeness-json.ts';
import { describeCompleteness, formatCompleteness } from './completeness-text.ts';
import { hostileProfile, serverProfile } from './testing/server-profile.ts';

/** Four runs of different inputs, and the code of the program. */
function profileOf(count: number): Profile {
  const sets = [
    ['read', 'write', 'openat'],
    ['read', 'write', 'socket'],
    ['read', 'write', 'openat', 'mmap'],
    ['read', 'write'],
  ].slice(0, count);
  const profile = sampleProfile(
    sets.map((names, run) => ({
      pid: run + 10,
      run,
      program: '/bin/a',
      calls: Object.fromEntries(names.map((name) => [name, [1, 2] as const])),
    })),
  );
  const possible = ['read', 'bind', 'ptrace'].map((name) => sampleCall(syscallNumber('x86_64', name)!, name));
  return {
    ...profile,
    runs: [
      ...profile.runs.map((run, index) => ({ ...run, command: ['a', `case ${index}`] })),
      sampleRun({ method: 'analyze' }),
    ],
    programs: [{ path: '/bin/a', buildId: null, calls: possible }],
  };
}

describe('describeCompleteness', () => {
  it('says in a line how much is covered and how much may be missing', () => {
    expect(describeCompleteness(profileOf(4))).toBe(
      'completeness: sample coverage 87.5 % over 4 runs, 5 calls of about 5.4 (95 %: 5 to 11.6), 0.2 new in the next run',
    );
  });

  it.each([1, 2])('does not estimate from %i', (count) => {
    expect(describeCompleteness(profileOf(count))).toBe(
      `completeness: cannot be estimated from ${count} run${count === 1 ? '' : 's'} (3 or more of different inputs)`,
    );
  });

  it('has nothing to say of code that was only read', () => {
    expect(describeCompleteness(profileOf(0))).toBeNull();
  });

  it('says if the same command was repeated', () => {
    const profile = profileOf(4);
    const same = { ...profile, runs: profile.runs.map((run) => ({ ...run, command: ['a'] })) };
    expect(describeCompleteness(same)).toMatch(/ 0\.2 new in the next run of the same command$/);
  });
});

describe('formatCompleteness', () => {
  it('has the estimate, the growth, what a single run showed and what no run did', () => {
    expect(formatCompleteness(profileOf(4), {}, 100)).toBe(
      `5 calls in 4 runs of 4 commands: 2 in every run, 1 in just two, 2 in just one

sample coverage   87.5 % (Good-Turing): share of what further runs do that is in the set
calls in all      5 calls of about 5.4 (95 %: 5 to 11.6) (Chao2, bias-corrected)
unseen            0.4, 95 % interval 0 to 6.6
new calls         0.2 expected in 1 more run
                  0.3 expected in 2 more runs
                  0.4 expected in 4 more runs
A lower bound: calls that only rare inputs lead to leave no trace in any estimate.

RUNS  CALLS  # mean over all orders of the runs, - forecast
   1      3  ######################
   2    3.8  #############################
   3    4.5  ##################################
   4      5  #####################################
   5    5.2  ---------------------------------------
   6    5.3  ----------------------------------------
   7    5.3  ----------------------------------------
   8    5.4  ----------------------------------------

seen in one run only:
  run 2 (a 'case 1'): socket
  run 3 (a 'case 2'): mmap

/bin/a: 1 call that is possible by code was seen, 2 were not; the most suspicious first:
  CALL    WAY THERE  REMARK
  bind    -
  ptrace  -          dangerous: changes the memory and registers of other processes
`,
    );
  });

  it.each([
    [
      0,
      'no run was watched: there is nothing to estimate from\n\n/bin/a: code was read, but no run of it was watched\n',
    ],
    [
      1,
      '3 calls in 1 run of 1 command\nnote: cannot be estimated: 1 run, and 3 or more of different inputs are needed\n',
    ],
  ])('is honest about %i runs', (count, want) => {
    expect(formatCompleteness(profileOf(count), {}, 100).startsWith(want)).toBe(true);
  });

  it('warns of repetitions and of runs that were not watched in full', () => {
    const profile = profileOf(4);
    const runs = profile.runs.map((run) => ({
      ...run,
      command: ['a'],
      complete: false,
      incomplete: ['attached late'],
    }));
    const text = formatCompleteness({ ...profile, runs }, {}, 200);
    expect(text).toContain('note: all runs are of the same command: ');
    expect(text).toContain('note: not every run was watched in full: ');
  });

  it('keeps lines within the width and drives no terminal', () => {
    const text = formatCompleteness(hostileProfile(), {}, 80) + formatCompleteness(profileOf(4), {}, 80);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });
});

describe('formatCompletenessJson', () => {
  it('has the same numbers', () => {
    const document = JSON.parse(formatCompletenessJson(profileOf(4))) as CompletenessDocument;
    expect(document).toMatchObject({
      format: 'callgate-completeness',
      version: 1,
      filter: { phase: null, program: null },
      runs: 4,
      commands: 4,
      calls: 5,
      uniques: 2,
      duplicates: 1,
      estimate: { coverage: 0.875, total: 5.375, unseen: 0.375 },
    });
    expect(document.programs[0]?.suspects.map(({ name }) => name)).toEqual(['bind', 'ptrace']);
  });

  it('has no estimate for one run, and looks at the phase that was asked for', () => {
    const document = JSON.parse(
      formatCompletenessJson(serverProfile(), { phase: 'main' }),
    ) as CompletenessDocument;
    expect(document).toMatchObject({ filter: { phase: 'main' }, runs: 1, calls: 4, estimate: null });
  });
});
