import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { start, temporaryDirectory } from '../support/callgate.ts';

const DEVICE = '/dev/cpu_dma_latency';

/** Latency that the kernel keeps to at this moment, microseconds; null where no such request can be made. */
function latency(): number | null {
  try {
    const fd = openSync(DEVICE, 'r');
    const value = new Int32Array(1);
    readSync(fd, new Uint8Array(value.buffer));
    closeSync(fd);
    return value[0] as number;
  } catch {
    return null;
  }
}

const usual = latency();
/** What it is while callgate asks for it. */
const awake = usual === null ? null : 0;

/** A program that makes calls without end once it has said so. */
const BUSY = ['sh', '-c', 'echo began; while :; do kill -0 $$; done'] as const;
const IDLE = ['sh', '-c', 'echo began; exec sleep 1000'] as const;

async function traceWith(options: readonly string[], command: readonly string[]) {
  const directory = temporaryDirectory();
  const output = join(directory.path, 'profile');
  const traced = start(['trace', '-q', '--method', 'seccomp', '-o', output, ...options, '--', ...command]);
  await traced.waitFor('began');
  return {
    traced,
    async [Symbol.asyncDispose]() {
      traced.kill('SIGKILL');
      await traced.end;
      directory[Symbol.dispose]();
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !isSo() && Date.now() < end;) await pause(10);
}

it('keeps processors awake while the program stops often, and no longer, however callgate ends', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await using trace = await traceWith([], BUSY);
    await until(() => latency() === awake);
    expect(latency()).toBe(awake);
    trace.traced.kill(signal);
    await trace.traced.end;
    expect(latency()).toBe(usual);
  }
});

it('lets them halt while the program does nothing', async () => {
  await using _trace = await traceWith([], IDLE);
  await until(() => latency() === usual);
  await pause(500);
  expect(latency()).toBe(usual);
});

it('lets them halt if that is asked for', async () => {
  await using _trace = await traceWith(['--no-keep-awake'], BUSY);
  for (let look = 0; look < 20; look++) {
    await pause(10);
    expect(latency()).toBe(usual);
  }
});
