import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentError, type Problem } from '../base/errors.ts';
import { createProfileParser, parseProfile } from './load.ts';
import { formatProfile } from './save.ts';
import { arbitraryProfile } from './testing/arbitrary-profile.ts';
import { sampleCall, sampleProfile } from './testing/sample-profile.ts';

/** A document that may be changed in any way. */
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

/** Compiled once for all cases. */
const PARSE = createProfileParser();

const SAMPLE = formatProfile({
  ...sampleProfile([
    {
      pid: 1,
      program: '/bin/a',
      listens: [[1, 'tcp:1']],
      calls: { read: [1, 2], poll: { uses: [1, 3], waited: 1 } },
    },
    { pid: 2, birth: 'fork', parent: 0, program: '/bin/a', start: 2, calls: { read: [3, 4] } },
  ]),
  programs: [{ path: '/bin/a', buildId: null, calls: [sampleCall(0, 'read')] }],
});

describe('parseProfile', () => {
  it('reads a valid document', () => {
    expect(formatProfile(parseProfile(SAMPLE))).toBe(SAMPLE);
  });

  it.each<{ name: string; change: (document: Loose) => void; want: string[] }>([
    {
      name: 'a missing field',
      change: (d) => delete d.runs[0].host.libc,
      want: ['/runs/0/host missing field, "libc"'],
    },
    {
      name: 'an unknown field',
      change: (d) => (d.phases[0].nme = 1),
      want: ['/phases/0 unknown field, "nme"'],
    },
    {
      name: 'a wrong type',
      change: (d) => (d.processes[1].calls[0].nr = '0'),
      want: ['/processes/1/calls/0/nr must be integer, is "0"'],
    },
    {
      name: 'a fraction',
      change: (d) => (d.processes[0].start = 0.5),
      want: ['/processes/0/start must be integer, is 0.5'],
    },
    {
      name: 'an unknown word',
      change: (d) => (d.processes[0].birth = 'spawn'),
      want: ['/processes/0/birth must be one of start, attach, fork, vfork, clone, exec, is "spawn"'],
    },
    {
      name: 'an exit status of two kinds',
      change: (d) => (d.processes[0].exit = { kind: 'exited', code: 256, core: true }),
      want: [
        '/processes/0/exit/core field does not belong here, true',
        '/processes/0/exit/code must be <= 255, is 256',
      ],
    },
    {
      name: 'a killed process without signal',
      change: (d) => (d.processes[0].exit = { kind: 'signaled', core: false }),
      want: ['/processes/0/exit missing field, "signal"'],
    },
    {
      name: 'several at once',
      change: (d) => {
        d.runs[0].lost = -1;
        d.programs = null;
      },
      want: ['/runs/0/lost must be >= 0, is -1', '/programs must be array, is null'],
    },
    {
      name: 'an errno that is none',
      change: (d) => (d.processes[0].calls[0].errnos = JSON.parse('{ "__proto__": 1 }')),
      want: [
        '/processes/0/calls/0/errnos bad field name, "__proto__" (must match pattern "^([A-Z][A-Z0-9_]*|[1-9][0-9]*)$")',
      ],
    },
    {
      name: 'a field called __proto__',
      change: (d) => Object.defineProperty(d, '__proto__', { value: {}, enumerable: true }),
      want: ['document unknown field, "__proto__"'],
    },
    {
      name: 'no phase',
      change: (d) => (d.phases = []),
      want: ['/phases must not have fewer than 1 items, is array'],
    },
    {
      name: 'a phase name for a terminal',
      change: (d) => (d.phases[0].name = '\u001b[2J'),
      want: ['/phases/0/name must match pattern "^[A-Za-z0-9_-]{1,64}$", is "\\u001b[2J"'],
    },
    {
      name: 'argument values of a wrong form',
      change: (d) => (d.processes[0].calls[0].args = [{ index: 6, name: 'x', values: 'all' }]),
      want: [
        '/processes/0/calls/0/args/0/index must be <= 5, is 6',
        '/processes/0/calls/0/args/0/values must match pattern "^any$", is "all"',
      ],
    },
  ])('lists $name', ({ change, want }) => {
    expect(problemsOf(change)).toEqual(want);
  });

  it.each<{ name: string; change: (document: Loose) => void; want: string[] }>([
    {
      name: 'indices out of range',
      change: (d) => {
        d.processes[0].run = 1;
        d.processes[0].program = 1;
        d.processes[0].transitions[0].phase = 1;
        d.processes[1].calls[0].phases = [0, 9];
        d.programs[0].calls[0].phases = [2];
      },
      want: [
        '/programs/0/calls/0/phases/0 no such phase, 2 (there are 1)',
        '/processes/0/run no such run, 1 (there are 1)',
        '/processes/0/program no such program, 1 (there are 1)',
        '/processes/0/transitions/0/phase no such phase, 1 (there are 1)',
        '/processes/1/parent must be of the same run, is of 1 (0)',
        '/processes/1/calls/0/phases/1 no such phase, 9 (there are 1)',
      ],
    },
    {
      name: 'a name of another number',
      change: (d) => {
        d.processes[0].calls[0].name = 'ptrace';
        d.processes[1].calls[0].name = 'a_call_of_a_later_release';
        d.programs[0].calls[0].name = null;
      },
      want: ['/processes/0/calls/0/name name and number disagree, "ptrace" is 101 on x86_64 (0)'],
    },
    {
      name: 'a parent that is no earlier process',
      change: (d) => (d.processes[1].parent = 1),
      want: ['/processes/1/parent must be an earlier process, is 1 (1)'],
    },
    {
      name: 'an exec of another pid',
      change: (d) => (d.processes[1].birth = 'exec'),
      want: ['/processes/1/parent must have the same pid before an exec, has 1 (2)'],
    },
    {
      name: 'a last use before the first',
      change: (d) => (d.processes[0].calls[0].last = 0),
      want: ['/processes/0/calls/0/last last use is before the first, 0 (1000000)'],
    },
    {
      name: 'a last use without a first',
      change: (d) => (d.processes[0].calls[0].first = null),
      want: ['/processes/0/calls/0/last must be null, as first is'],
    },
    {
      name: 'phases that do not ascend',
      change: (d) => {
        d.phases.push({ name: 'main', trigger: 'key', source: 'given', reason: null, entered: true });
        d.processes[0].calls[0].phases = [1, 0];
        d.processes[0].calls[1].phases = [1, 1];
      },
      want: [
        '/processes/0/calls/0/phases/1 not ascending, 0',
        '/processes/0/calls/1/phases/1 not ascending, 1',
      ],
    },
    {
      name: 'transitions that do not ascend',
      change: (d) => d.processes[1].transitions.push({ phase: 0, at: 1 }),
      want: ['/processes/1/transitions/1/at earlier than the transition before it, 1'],
    },
    {
      name: 'uses that do not ascend',
      change: (d) => d.processes[0].calls[1].waits.uses.sort((a: number, b: number) => b - a),
      want: ['/processes/0/calls/1/waits/uses/1 not ascending, 1000000'],
    },
    {
      name: 'a call that is there twice',
      change: (d) => d.processes[1].calls.push(d.processes[1].calls[0]),
      want: ['/processes/1/calls/1 call is there already, x86_64 number 0'],
    },
    {
      name: 'a program with an observed call',
      change: (d) => (d.programs[0].calls[0].origin = 'observed'),
      want: ['/programs/0/calls/0/origin calls of a program cannot be observed, only those of a process'],
    },
    {
      name: 'phases in disorder',
      change: (d) => {
        d.phases[0] = { name: 'main', trigger: 'key', source: 'given', reason: 'why', entered: true };
        d.phases.push({ ...d.phases[0], source: 'start', reason: null });
      },
      want: [
        '/phases/0/name the first phase must be setup, is main',
        '/phases/0/trigger must be null for the first phase',
        '/phases/0/source must be start, is given',
        '/phases/0/reason must be null unless the phase is automatic',
        '/phases/1/source must be given or auto, as only the first phase has start, is start',
        '/phases/1/name phase is there already, main',
      ],
    },
    {
      name: 'an incomplete run without a reason',
      change: (d) => (d.runs[0].complete = false),
      want: ['/runs/0/incomplete must say why, as complete is false'],
    },
    {
      name: 'a complete run that is not',
      change: (d) => {
        d.runs[0].incomplete = ['lost'];
        d.runs[0].lost = 3;
      },
      want: [
        '/runs/0/incomplete must be empty as complete is true',
        '/runs/0/complete must be false, as events were lost, 3',
      ],
    },
    {
      name: 'phases of a run that are not there, or without setup',
      change: (d) => (d.runs[0].phases = [7, 1]),
      want: [
        '/runs/0/phases/0 no such phase, 7 (there are 1)',
        '/runs/0/phases/1 no such phase, 1 (there are 1)',
        '/runs/0/phases/1 not ascending, 1',
        '/runs/0/phases must begin with 0, as every run has setup, begins with 7',
      ],
    },
    {
      name: 'a start that is no time',
      change: (d) => (d.runs[0].start = '2026-13-01T00:00:00.000Z'),
      want: ['/runs/0/start no such time, 2026-13-01T00:00:00.000Z'],
    },
    {
      name: 'ends before starts',
      change: (d) => {
        d.processes[1].end = 1;
        d.processes[1].threads = [{ tid: 3, creator: 2, start: 5, end: 4 }];
      },
      want: [
        '/processes/1/end ends before it starts, 1 (2000000)',
        '/processes/1/threads/0/end ends before it starts, 4 (5)',
      ],
    },
    {
      name: 'argument values that are not canonical',
      change: (d) => {
        d.processes[0].calls[0].args = [
          { index: 1, name: 'flags', values: [2, 1, '0x10000000000000'] },
          { index: 1, name: 'flags', values: 'any' },
        ];
      },
      want: [
        '/processes/0/calls/0/args/0/values/1 not ascending, 1',
        '/processes/0/calls/0/args/0/values/2 must be a number, is 0x10000000000000 (strings are for values above 2^53 - 1)',
        '/processes/0/calls/0/args/1 argument is there already, 1 "flags"',
      ],
    },
  ])('lists $name', ({ change, want }) => {
    expect(problemsOf(change)).toEqual(want);
  });

  it.each<{ name: string; text: string; want: string | RegExp }>([
    { name: 'no JSON', text: '{ "format": ', want: /^a\.json: not JSON, / },
    { name: 'nothing', text: '', want: /^a\.json: no profile, it is empty$/ },
    { name: 'blanks', text: ' \n', want: /^a\.json: no profile, it is empty$/ },
    {
      name: 'a policy in YAML',
      text: '# mine\n---\nformat: callgate-policy\nversion: 1\n',
      want: /^a\.json: not a callgate profile but a policy \(callgate check, export and run read it\)$/,
    },
    {
      name: 'a policy in JSON',
      text: '{ "format": "callgate-policy", "version": 1 }',
      want: /^a\.json: not a callgate profile but a policy /,
    },
    { name: 'another document', text: '{ "format": "x" }', want: /^a\.json: not a callgate profile, / },
    { name: 'an array', text: '[1]', want: /^a\.json: not a callgate profile, / },
    { name: 'null', text: 'null', want: /^a\.json: not a callgate profile, / },
    { name: 'deep nesting', text: '['.repeat(1e5) + ']'.repeat(1e5), want: /^a\.json: not / },
    {
      name: 'a newer version, whatever else it has',
      text: '{ "format": "callgate-profile", "version": 2, "shape": "new" }',
      want: 'a.json: profile version 2 is newer than this callgate understands (1); upgrade callgate',
    },
  ])('refuses $name', ({ text, want }) => {
    const error = refusal(text);
    expect(error.message).toEqual(typeof want === 'string' ? want : expect.stringMatching(want));
    expect(error.problems).toHaveLength(1);
  });

  it('refuses deep nesting inside a document', () => {
    const deep = '['.repeat(5e4) + ']'.repeat(5e4);
    const text = SAMPLE.replace('"command": ["sample"]', `"command": [${deep}]`);
    expect(refusal(text).problems).toEqual([
      { path: '/runs/0/command/0', message: 'must be string, is array' },
    ]);
  });

  it('shows twenty problems in its message and keeps all', () => {
    const text = edited((d) => (d.processes[0].argv = Array.from({ length: 30 }, () => 1)));
    const error = refusal(text);
    expect(error.problems).toHaveLength(30);
    expect(error.message.split('\n')).toHaveLength(22);
    expect(error.message).toMatch(
      /^a\.json: not a valid profile, 30 problems\n {2}\/processes\/0\/argv\/0: /,
    );
    expect(error.message).toMatch(/\n {2}and 10 more$/);
  });

  it('gives a profile or a DocumentError for every mutated document', () => {
    const parse = createProfileParser();
    fc.assert(
      fc.property(arbitraryProfile(), fc.nat(), fc.anything(), (profile, where, value) => {
        const document = JSON.parse(formatProfile(profile)) as Loose;
        const places = [...placesIn(document)];
        const place = places[where % places.length];
        if (place === undefined) return;
        place.holder[place.key] = value;
        const text = JSON.stringify(document);
        try {
          formatProfile(parse(text));
        } catch (error) {
          expect(error).toBeInstanceOf(DocumentError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function edited(edit: (document: Loose) => void): string {
  const document = JSON.parse(SAMPLE) as Loose;
  edit(document);
  return JSON.stringify(document);
}

function refusal(text: string): DocumentError {
  try {
    PARSE(text, 'a.json');
  } catch (error) {
    if (error instanceof DocumentError) return error;
    throw error;
  }
  throw new Error('the document was not refused');
}

function problemsOf(edit: (document: Loose) => void): string[] {
  const lines = ({ path, message }: Problem): string => `${path === '' ? 'document' : path} ${message}`;
  return refusal(edited(edit)).problems.map(lines);
}

function* placesIn(holder: Loose): Generator<{ holder: Loose; key: string }> {
  for (const key of Object.keys(holder)) {
    yield { holder, key };
    if (typeof holder[key] === 'object' && holder[key] !== null) yield* placesIn(holder[key]);
  }
}
