import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measured, parseCosts, readCosts } from './measure.ts';

it('reads what GNU time writes, and passes over its remarks', () => {
  expect(
    parseCosts('0.50 0.25 0.05 2048\nCommand exited with non-zero status 2\n1.00 0.00 0.00 1024\n'),
  ).toEqual([
    { wall: 0.5, cpu: 0.3, peak: 2 },
    { wall: 1, cpu: 0, peak: 1 },
  ]);
});

it('adds costs up, but for the peak, which is the largest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callgate-cost-'));
  try {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    writeFileSync(one, '1.00 0.50 0.50 10240\n');
    writeFileSync(two, '2.00 0.50 0.00 1024\n');
    expect(readCosts([one, two, join(folder, 'none')])).toEqual({ wall: 3, cpu: 1.5, peak: 10 });
    expect(readCosts([])).toBe(null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('measures a real command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callgate-cost-'));
  try {
    const file = join(folder, 'cost');
    const [command, ...args] = measured(file);
    const words = [...args, process.execPath, '-e', 'Buffer.alloc(100e6, 1)'];
    expect(spawnSync(command ?? '', words).status).toBe(0);
    expect(readCosts([file])?.peak).toBeGreaterThan(100);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('a command finds the same descriptors closed as without it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callgate-cost-'));
  try {
    const file = join(folder, 'cost');
    const [command = '', ...args] = measured(file);
    // GNU time would open its own file as the descriptor that is free.
    const look =
      'for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] || echo "closed $fd" >&2; done; echo "$1" >&2; exit 3';
    const words = ['-c', '"$@" >&-', 'sh', command, ...args, 'sh', '-c', look, 'sh', 'two "words"'];
    const { status, stderr } = spawnSync('sh', words, { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 3, stderr: 'closed 1\ntwo "words"\n' });
    expect(readCosts([file])).not.toBe(null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
