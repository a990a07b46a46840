import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLibc } from './libc.ts';
import { isWritable } from './writable.ts';

const libc = openLibc();

it('is true of a pipe until that is full', () => {
  const path = join(tmpdir(), `callgate-pipe-${process.pid}`);
  spawnSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    expect(isWritable(libc, fd)).toBe(true);
    expect(() => {
      for (;;) writeSync(fd, new Uint8Array(4096));
    }).toThrow('EAGAIN');
    expect(isWritable(libc, fd)).toBe(false);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
});

it('is true of a file, and of what is closed, for a write would not wait', () => {
  const fd = openSync('/dev/null', 'w');
  expect(isWritable(libc, fd)).toBe(true);
  closeSync(fd);
  expect(isWritable(libc, fd)).toBe(true);
});
