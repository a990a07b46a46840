import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { UsageError } from '../../base/errors.ts';
import { RootFileSystem } from './root.ts';
import { Tree } from './testing/tree.ts';

const outside = mkdtempSync(join(tmpdir(), 'callgate-outside-'));
writeFileSync(join(outside, 'secret'), 'secret');
const tree = new Tree({
  '/usr/lib/libc.so.6': 'libc',
  '/lib': { link: 'usr/lib' },
  '/lib64': { link: '/usr/lib' },
  '/up': { link: '../../../../usr/lib/libc.so.6' },
  '/escape': { link: outside },
  '/escape2': { link: `../../../../..${outside}/secret` },
  '/loop': { link: 'loop' },
  '/chain': { link: 'chain2' },
  '/chain2': { link: '/lib64/../lib/libc.so.6' },
});
afterAll(() => {
  tree[Symbol.dispose]();
  rmSync(outside, { recursive: true, force: true });
});

describe('RootFileSystem', () => {
  it.each([
    { path: '/lib/libc.so.6', want: '/usr/lib/libc.so.6' },
    { path: '/lib64/libc.so.6', want: '/usr/lib/libc.so.6' },
    { path: '/up', want: '/usr/lib/libc.so.6' },
    { path: '/chain', want: '/usr/lib/libc.so.6' },
    { path: '/../../lib64/./libc.so.6', want: '/usr/lib/libc.so.6' },
    { path: 'lib', want: '/usr/lib' },
    { path: '/', want: '/' },
    { path: '/escape', want: null },
    { path: '/escape/secret', want: null },
    { path: '/escape2', want: null },
    { path: '/loop', want: null },
    { path: '/nothing', want: null },
    { path: '/usr/lib/libc.so.6/more', want: null },
    { path: '/lib\0', want: null },
  ])('resolves $path inside of the root to $want', ({ path, want }) => {
    expect(tree.root().realPath(path)).toBe(want);
    expect(tree.root().read(`${path}/secret`)).toBeNull();
  });

  it.each([
    { path: '/nothing', failure: null, isAbsent: true },
    { path: '/usr/lib/libc.so.6/more', failure: null, isAbsent: true },
    { path: '/lib\0', failure: null, isAbsent: true },
    { path: '/lib', failure: null, isAbsent: false },
    { path: '/loop', failure: 'ELOOP', isAbsent: false },
    { path: '/loop/more', failure: 'ELOOP', isAbsent: false },
  ])('tells what is not there from what cannot be looked at: $path', ({ path, failure, isAbsent }) => {
    for (const [root, at] of [
      [tree.root(), path],
      [new RootFileSystem(), tree.path('/') + path.slice(1)],
    ] as const) {
      expect([root.failure(at), root.isAbsent(at)]).toEqual([failure, isAbsent]);
      expect(root.listFailure(at)).toBe(failure);
    }
  });

  it('reads regular files up to a size, and no FIFO', () => {
    execFileSync('mkfifo', [tree.path('/fifo')]);
    const root = tree.root();
    expect(root.readText('/up')).toBe('libc');
    expect(root.read('/up', 3)).toBeNull();
    expect(root.read('/usr')).toBeNull();
    expect(root.read('/fifo')).toBeNull();
    expect(root.identity('/fifo')).toBeNull();
    expect(root.identity('/up')).toBe(root.identity('/usr/lib/libc.so.6'));
    expect(root.list('/lib')).toEqual(['libc.so.6']);
    expect(root.list('/nothing')).toEqual([]);
  });

  it('is the machine itself by default', () => {
    const root = new RootFileSystem();
    expect(root.realPath('/proc/self/exe')).toBe(
      execFileSync('readlink', ['-f', process.execPath], { encoding: 'utf8' }).trim(),
    );
    expect(root.hostPath('/etc/../etc/passwd')).toBe('/etc/passwd');
  });

  it('refuses a root that is no directory', () => {
    expect(() => new RootFileSystem('/etc/passwd')).toThrow(UsageError);
    expect(() => new RootFileSystem('/no/such')).toThrow(
      'root: /no/such is no directory that can be read, ENOENT',
    );
  });
});
