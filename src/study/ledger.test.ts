import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Ledger, runKey, type StudyRun } from './ledger.ts';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'callgate-ledger-'));
  folders.push(folder);
  return join(folder, 'data', 'runs.jsonl');
}

function run(key: string): StudyRun {
  return {
    key,
    program: 'ls',
    method: 'trace',
    repetition: 0,
    start: '2026-01-02T03:04:05.678Z',
    wall: 1.5,
    cost: { wall: 1, cpu: 0.5, peak: 60 },
    sets: [{ phase: null, calls: ['x86_64 0'] }],
    unresolved: null,
    failures: [],
  };
}

it('gives back what an earlier study has added', () => {
  const file = newFile();
  new Ledger(file).add(run('a'));
  new Ledger(file).add(run('b'));
  const ledger = new Ledger(file);
  expect([ledger.get('a'), ledger.get('b'), ledger.get('c')]).toEqual([run('a'), run('b'), undefined]);
});

it('takes a line that was cut off by a kill for not there, and keeps the next one apart from it', () => {
  const file = newFile();
  new Ledger(file).add(run('a'));
  appendFileSync(file, JSON.stringify(run('b')).slice(0, 40));
  const ledger = new Ledger(file);
  expect(ledger.get('b')).toBe(undefined);
  ledger.add(run('c'));
  const again = new Ledger(file);
  expect([again.get('a')?.key, again.get('b'), again.get('c')?.key]).toEqual(['a', undefined, 'c']);
});

it('only ever appends', () => {
  const file = newFile();
  const ledger = new Ledger(file);
  ledger.add(run('a'));
  const before = readFileSync(file, 'utf8');
  ledger.add(run('b'));
  expect(readFileSync(file, 'utf8').startsWith(before)).toBe(true);
});

it('passes over lines that are no runs', () => {
  const file = newFile();
  new Ledger(file).add(run('a'));
  writeFileSync(file, `null\n[]\n{}\n"text"\n${JSON.stringify(run('b'))}\n`);
  expect(new Ledger(file).get('b')).toEqual(run('b'));
});

it('has another key for other inputs', () => {
  const key = runKey('ls', 'trace', 0, { options: [] });
  expect(key).toMatch(/^ls\/trace\/0\/[0-9a-f]{16}$/);
  expect(runKey('ls', 'trace', 0, { options: ['--method', 'ptrace'] })).not.toBe(key);
  expect(runKey('ls', 'trace', 0, { options: [] })).toBe(key);
});
