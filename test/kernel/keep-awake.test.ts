import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { start, temporaryDirectory } from '../support/callgate.ts';

const DEVICE = '/dev/cpu_dma_latency';

/** Whether a process has a request open; the device says only what all of the machine has asked for. */
function asks(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === DEVICE);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Latency that the kernel keeps to at this moment, microseconds. */
function latency(): number {
  const fd = openSync(DEVICE, 'r');
  const value = new Int32Array(1);
  readSync(fd, new Uint8Array(value.buffer));
  closeSync(fd);
  return value[0] as number;
}

/** Where there is no such device, as in most containers, nothing can be asked for. */
const canAsk = existsSync(DEVICE);

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

it('keeps processors awake while the program stops often', async () => {
  await using trace = await traceWith([], BUSY);
  const { pid } = trace.traced;
  await until(() => asks(pid) === canAsk);
  expect(asks(pid)).toBe(canAsk);
  if (canAsk) expect(latency()).toBe(0);
});

it('lets them halt while the program does nothing', async () => {
  await using trace = await traceWith([], IDLE);
  const { pid } = trace.traced;
  // The program that it becomes begins with many stops; a second later there has been none for long.
  await pause(1000);
  for (let look = 0; look < 50; look++) {
    await pause(10);
    expect(asks(pid)).toBe(false);
  }
});

it('lets them halt if that is asked for', async () => {
  await using trace = await traceWith(['--no-keep-awake'], BUSY);
  for (let look = 0; look < 20; look++) {
    await pause(10);
    expect(asks(trace.traced.pid)).toBe(false);
  }
});
