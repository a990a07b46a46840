import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProfileParser } from './load.ts';
import { formatProfile } from './save.ts';
import { arbitraryProfile } from './testing/arbitrary-profile.ts';
import { sampleProfile } from './testing/sample-profile.ts';

describe('formatProfile', () => {
  it('writes what parseProfile reads back, whatever the strings', () => {
    const parse = createProfileParser();
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const text = formatProfile(profile);
        expect(parse(text)).toEqual(profile);
        expect(formatProfile(parse(text))).toBe(text);
      }),
    );
  });

  it('gives the same bytes for the same content in another order', () => {
    const profile = sampleProfile([
      { pid: 1, program: '/bin/b', calls: { read: [1, 2], close: [1, 3], openat: [1, 1] } },
      { pid: 2, program: '/bin/a', calls: { read: [1, 2] } },
    ]);
    const [first, second] = profile.processes;
    const shuffled = {
      processes: [
        { ...first, program: 1, calls: [...(first?.calls ?? [])].toReversed() },
        { ...second, program: 0 },
      ],
      programs: [...profile.programs].toReversed(),
      phases: profile.phases,
      runs: profile.runs,
      generator: profile.generator,
      version: profile.version,
      format: profile.format,
      unknown: 1,
    } as unknown as typeof profile;
    expect(formatProfile(shuffled)).toBe(formatProfile(profile));
  });

  it('writes each call, thread, transition and listen on one line', () => {
    const profile = sampleProfile([
      {
        pid: 7,
        program: '/bin/sample',
        listens: [[3, 'tcp:80']],
        calls: { read: [1, 2], poll: { uses: [3, 4], waited: 5 } },
      },
    ]);
    expect(formatProfile(profile).split('"processes"')[1]).toBe(`: [
    {
      "run": 0,
      "pid": 7,
      "birth": "start",
      "parent": null,
      "program": 0,
      "argv": ["/bin/sample"],
      "start": 0,
      "end": 4000000,
      "exit": {"kind":"exited","code":0},
      "threads": [],
      "transitions": [
        {"phase":0,"at":0}
      ],
      "listens": [
        {"at":3000000,"address":"tcp:80"}
      ],
      "calls": [
        {"arch":"x86_64","nr":0,"name":"read","origin":"observed","count":2,"first":1000000,"last":2000000,"phases":[0]},
        {"arch":"x86_64","nr":7,"name":"poll","origin":"observed","count":2,"first":3000000,"last":4000000,"phases":[0],"waits":{"uses":[3000000,4000000],"total":5000000}}
      ]
    }
  ]
}
`);
  });

  it('keeps a key that is called __proto__', () => {
    const profile = sampleProfile([{ pid: 1, calls: { read: [1, 1] } }]);
    const errnos = JSON.parse('{ "__proto__": 1 }') as Record<string, number>;
    const [process] = profile.processes;
    const calls = process?.calls.map((call) => ({ ...call, errnos })) ?? [];
    const hostile = { ...profile, processes: profile.processes.map((each) => ({ ...each, calls })) };
    expect(formatProfile(hostile)).toContain('"errnos":{"__proto__":1}');
  });
});
