import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DocumentError, UsageError } from '../base/errors.ts';
import { loadExperiment, parseExperiment } from './experiment-load.ts';

const options = { source: '/here/e.yaml', workloads: '/workloads' };

const TEXT = `
name: e
title: E
programs: [ls, {name: mine, workload: mine.yaml}]
reference: trace
methods:
  - {name: trace, kind: trace}
  - {name: other, title: Other, kind: command, command: "other $PROGRAM >$OUTPUT", importer: names}
comparisons:
  - {name: c, claim: C, source: S, published: 1.5, unit: u, measure: wall, left: trace,
     right: {method: other, phase: last}, as: ratio, remark: R}
`;

describe('parseExperiment', () => {
  it('fills in what is left out', () => {
    const { repetitions, programs, methods, comparisons } = parseExperiment(TEXT, options);
    expect(repetitions).toBe(3);
    expect(programs).toEqual([
      { name: 'ls', workload: '/workloads/ls.yaml' },
      { name: 'mine', workload: '/here/mine.yaml' },
    ]);
    expect(methods[0]).toEqual({
      name: 'trace',
      title: 'trace',
      kind: 'trace',
      cases: 'all',
      options: [],
      setup: [],
      needs: [],
    });
    expect(comparisons[0]).toMatchObject({
      left: { method: 'trace', phase: 'whole' },
      right: { method: 'other', phase: 'last' },
      programs: [],
    });
  });

  it('takes the experiment that ships', () => {
    const file = fileURLToPath(new URL('../../experiments/published.yaml', import.meta.url));
    const { programs, others } = loadExperiment(file, '/workloads');
    const names = programs.map(({ name }) => name);
    expect(names).toEqual(['ls', 'sqlite3', 'redis-server', 'nginx', 'memcached', 'lighttpd']);
    const tools = others.flatMap((group) => group.tools);
    expect(tools.length).toBeGreaterThan(5);
    for (const { results } of tools) {
      expect([...results.keys()].filter((name) => !names.includes(name))).toEqual([]);
    }
  });

  it.each([
    { name: 'an unknown kind of method', change: ['kind: trace', 'kind: guess'], want: /kind/ },
    {
      name: 'a field of another kind',
      change: ['kind: trace', 'kind: trace, importer: names'],
      want: /importer/,
    },
    {
      name: 'a reference that is no method',
      change: ['reference: trace', 'reference: tracer'],
      want: /unknown method, "tracer" \(trace, other\)/,
    },
    {
      name: 'an importer that there is none of',
      change: ['importer: names', 'importer: nosuch'],
      want: /unknown importer, "nosuch" \(.*names/,
    },
    {
      name: 'a side that is no method',
      change: ['method: other', 'method: none'],
      want: /unknown method, "none"/,
    },
    {
      name: 'two methods of one name',
      change: ['name: other', 'name: trace'],
      want: /name of two methods, "trace"/,
    },
    {
      name: 'two programs of one name',
      change: ['name: mine', 'name: ls'],
      want: /name of two programs, "ls"/,
    },
    { name: 'no repetition', change: ['title: E', 'title: E\nrepetitions: 0'], want: /repetitions/ },
    { name: 'something that is no document', change: [TEXT, '- a'], want: /document|object/ },
  ])('refuses $name', ({ change: [from = '', to = ''], want }) => {
    const text = TEXT.replace(from, to);
    expect(text).not.toBe(TEXT);
    expect(() => parseExperiment(text, options)).toThrow(DocumentError);
    expect(() => parseExperiment(text, options)).toThrow(want);
  });

  it.each([
    ['/nowhere/e\n.yaml', 'study: cannot read /nowhere/e\\u000a.yaml, no such file'],
    ['/', 'study: cannot read /, it is a directory'],
  ])('says that %j cannot be read', (file, want) => {
    expect(() => loadExperiment(file, '/workloads')).toThrow(new UsageError(want));
  });
});
