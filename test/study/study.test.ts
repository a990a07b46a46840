import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smallWorkload } from '../../src/study/testing/small-workload.ts';
import { callgate, start, temporaryDirectory } from '../support/callgate.ts';

const WORKLOAD = smallWorkload('{name: help, steps: ["${program} --help"]}');

const EXPERIMENT = `
name: small
title: A small study
repetitions: 2
programs: [{name: small, workload: small.yaml}]
reference: all
methods:
  - {name: plain, kind: untraced, cases: benchmark}
  - {name: some, title: some cases, kind: trace, cases: benchmark}
  - {name: all, title: all cases, kind: trace}
  - {name: tool, title: a tool, kind: command, command: "echo read >$OUTPUT; echo write >>$OUTPUT", importer: names}
  - {name: broken, kind: command, command: "echo cannot >&2; exit 3", importer: names}
  - {name: absent, kind: command, command: absent, importer: names, needs: [no-such-command], setup: [one, two]}
  - {name: younger, kind: analyze, options: [--no-such-option, value]}
comparisons:
  - {name: c, claim: all allow more, source: nobody, published: 1, unit: calls, measure: allowed,
     left: all, right: some, as: difference, remark: None.}
  - {name: d, claim: absent is hard to have, source: nobody, unit: commands, measure: setup,
     left: absent, right: some, as: difference, remark: None.}
others: others.yaml
`;

const OTHERS = `
groups:
  - title: Other tools
    note: Nobody has measured these.
    tools:
      - {name: elder, results: {small: {calls: write close, seconds: 3}}}
`;

let directory: ReturnType<typeof temporaryDirectory>;

beforeEach(() => {
  directory = temporaryDirectory();
  writeFileSync(at('small.yaml'), WORKLOAD);
  writeFileSync(at('study.yaml'), EXPERIMENT);
  writeFileSync(at('others.yaml'), OTHERS);
});

afterEach(() => directory[Symbol.dispose]());

function at(name: string): string {
  return join(directory.path, name);
}

const words = (): string[] => ['study', at('study.yaml'), '--data', at('data'), '-o', at('out/page.md')];

const runsOf = (): { method: string; failures: string[] }[] =>
  readFileSync(at('data/runs.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { method: string; failures: string[] });

describe('callgate study', () => {
  it.each(['study.yaml', 'small.yaml'])(
    'refuses to put its page in the place of what it reads: %s',
    (name) => {
      const before = readFileSync(at(name), 'utf8');
      const { status, stderr } = callgate(['study', at('study.yaml'), '--data', at('data'), '-o', at(name)]);
      expect(stderr).toContain(`${name} is an input, and would be lost (choose another file with -o)`);
      expect(status).toBe(2);
      expect(readFileSync(at(name), 'utf8')).toBe(before);
    },
  );

  it('runs every method in turns, and writes a page with tables and figures', () => {
    const { status, stderr, stdout } = callgate([...words(), '--json']);
    expect(stderr).toContain('callgate: 1 of 10: small, plain, repetition 1\n');
    expect(stderr).toContain('callgate: absent was left out: not installed: no-such-command\n');
    expect(stderr).toContain('callgate: younger was left out: callgate analyze has no --no-such-option\n');
    expect(status).toBe(0);
    expect(runsOf().map(({ method }) => method)).toEqual(
      Array.from({ length: 2 }, () => ['plain', 'some', 'all', 'tool', 'broken']).flat(),
    );
    const { results, comparisons } = JSON.parse(stdout) as {
      results: { method: string; allowed: number | null; failures: string[]; wall: unknown }[];
      comparisons: { ours: number }[];
    };
    const some = results.find(({ method }) => method === 'some')?.allowed ?? 0;
    const all = results.find(({ method }) => method === 'all')?.allowed ?? 0;
    expect(some).toBeGreaterThan(10);
    expect(all).toBeGreaterThan(some);
    expect(comparisons[0]?.ours).toBe(all - some);
    expect(results.find(({ method }) => method === 'tool')?.allowed).toBe(2);
    expect(results.find(({ method }) => method === 'broken')?.failures[0]).toMatch(/ended with 3: cannot$/);
    const page = readFileSync(at('out/page.md'), 'utf8');
    expect(page).toContain('# A small study\n');
    expect(page).toContain(`| all allow more | 1 calls | ${all - some} calls | small ${all - some} |`);
    expect(page).toContain(
      `- **all allow more**: published 1 calls; here ${all - some} calls. Found here too.`,
    );
    expect(page).toContain('- **absent is hard to have**: published without a figure; here 2 commands.');
    expect(page).toMatch(/\| elder \| 2; misses \d+; 3 s \|\n\| \*\*here: some cases\*\* \| \d+; misses/);
    expect(page).toMatch(/- elder, small: without read, /);
    expect(page).toMatch(/\| small \| `\/bin\/true` \| coreutils [0-9.]+\S* \| 1, 2 \| coreutils \|/);
    for (const [, file] of page.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)) {
      expect(readFileSync(at(`out/${file}`), 'utf8')).toMatch(/^<\?xml .*\n<svg xmlns=/);
    }
    expect(existsSync(at('out/page/sets.svg'))).toBe(true);
  });

  it('does not run again what is done', () => {
    callgate(words());
    const before = readFileSync(at('data/runs.jsonl'), 'utf8');
    const { stderr, status } = callgate(words());
    expect(stderr).not.toContain('repetition');
    expect(status).toBe(0);
    expect(readFileSync(at('data/runs.jsonl'), 'utf8')).toBe(before);
  });

  it('runs again what has changed, and only that', () => {
    callgate(words());
    writeFileSync(at('study.yaml'), EXPERIMENT.replace('echo write', 'echo close'));
    const { stderr } = callgate(words());
    expect(stderr.match(/small, \w+, repetition/g)).toEqual([
      'small, tool, repetition',
      'small, tool, repetition',
    ]);
  });

  it('goes on where it was stopped by Ctrl-C', async () => {
    writeFileSync(at('study.yaml'), EXPERIMENT.replace('echo read', 'sleep 2; echo read'));
    const study = start(words());
    await study.waitFor('small, tool, repetition 1');
    study.kill('SIGINT');
    const { status, stderr } = await study.end;
    expect(stderr).toContain('stopped before the end');
    expect(status).toBe(130);
    expect(runsOf().map(({ method }) => method)).toEqual(['plain', 'some', 'all']);
    expect(readFileSync(at('out/page.md'), 'utf8')).toContain('stopped before its end');
    const again = callgate(words());
    expect(again.stderr).toContain('callgate: 4 of 10: small, tool, repetition 1\n');
    expect(runsOf()).toHaveLength(10);
  });

  it.each([
    { name: 'a document that is none', text: '- 1', want: /study\.yaml: not a valid experiment/ },
    {
      name: 'a program that is not there',
      text: EXPERIMENT,
      workload: WORKLOAD.replace('/bin/true', '/bin/no-such-program'),
      want: /no program, \/bin\/no-such-program \(Debian packages coreutils\)/,
    },
  ])('refuses $name', ({ text, workload, want }) => {
    writeFileSync(at('study.yaml'), text);
    writeFileSync(at('small.yaml'), workload ?? WORKLOAD);
    const { status, stderr } = callgate(words());
    expect(stderr).toMatch(want);
    expect(status).toBe(2);
  });
});
