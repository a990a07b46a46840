import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { UsageError } from '../base/errors.ts';
import { conductStudy } from './conduct.ts';
import { loadExperiment } from './experiment-load.ts';
import { smallWorkload } from './testing/small-workload.ts';
import { parseWorkload } from './workload/load.ts';

const directory: string = mkdtempSync(join(tmpdir(), 'callgate-study-'));

afterAll(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}

const EXPERIMENT = `
name: small
title: A small study
repetitions: 1
programs: [{name: small, workload: small.yaml}]
reference: all
methods:
  - {name: all, kind: trace, options: [--phases, none]}
  - {name: code, kind: analyze, options: [--phases, auto]}
comparisons: []
`;

function study(script: string, data = 'data'): ReturnType<typeof conductStudy> {
  write('small.yaml', smallWorkload());
  const experiment = loadExperiment(write('study.yaml', EXPERIMENT), directory);
  const stop = new AbortController();
  stop.abort();
  return conductStudy(experiment, {
    data: join(directory, data),
    callgate: write('callgate', `#!/bin/sh\n${script}\n`),
    build: '0',
    signal: stop.signal,
  });
}

it('a help that a signal has cut off says nothing of options', async () => {
  const { missing, runs, programs, isComplete } = await study('kill -INT $$');
  expect([...missing]).toEqual([]);
  expect({ runs, programs, isComplete }).toEqual({ runs: [], programs: [], isComplete: false });
});

it('a help that fails is no help', async () => {
  await expect(study('exit 3')).rejects.toThrow(/callgate trace --help failed \(exit code 3\)$/);
});

it('an option that the help does not list leaves its method out', async () => {
  const { missing } = await study('[ "$1" = trace ] && echo --phases || echo nothing');
  expect([...missing]).toEqual([['code', 'callgate analyze has no --phases']]);
});

it('a workload that is not there is named', () => {
  const experiment = loadExperiment(
    write('lost.yaml', EXPERIMENT.replace('workload: small.yaml', 'workload: nosuch.yaml')),
    directory,
  );
  const started = conductStudy(experiment, {
    data: join(directory, 'data'),
    callgate: '/bin/true',
    build: '0',
    signal: new AbortController().signal,
  });
  return expect(started).rejects.toThrow(
    new UsageError(`workload: cannot read ${join(directory, 'nosuch.yaml')}, no such file`),
  );
});

it('a directory for the data that cannot be made is named', async () => {
  write('file', '');
  await expect(study('true', 'file/data')).rejects.toThrow(
    `study: cannot make ${join(directory, 'file/data')}, ENOTDIR (--data names another directory)`,
  );
});

it('a workload may need no packages', () => {
  expect(parseWorkload(smallWorkload().replace('[coreutils]', '[]'), 'small.yaml').packages).toEqual([]);
});
