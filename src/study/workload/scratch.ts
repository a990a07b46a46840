import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { WorkloadError } from './error.ts';

/** Milliseconds that background processes of a case get to end by themselves. */
const LEFTOVER_LIMIT = 3000;
const LOOK_EVERY = 20;

/** A directory for one run of a workload; disposing of it ends whatever still uses it, unmounts and removes it. */
export interface ScratchDirectory extends Disposable {
  readonly path: string;
}

/**
 * Makes one below TMPDIR, open to every user, for servers give up root's rights.
 *
 * @throws WorkloadError if its path would have to be quoted in shell scripts
 */
export function createScratch(name: string): ScratchDirectory {
  const path = mkdtempSync(join(tmpdir(), `callgate-${name}-`));
  if (!/^[A-Za-z0-9/._-]+$/.test(path)) {
    rmSync(path, { recursive: true });
    throw new WorkloadError(
      `workload: scratch directory, ${JSON.stringify(path)} (letters, digits and ._-/ only; see TMPDIR)`,
    );
  }
  chmodSync(path, 0o755);
  mkdirSync(join(path, 'home'));
  mkdirSync(join(path, 'tmp'), { mode: 0o1777 });
  chmodSync(join(path, 'tmp'), 0o1777);
  return { path, [Symbol.dispose]: () => removeScratch(path) };
}

/**
 * Waits for what a case left behind to end, and ends it by force if it does not: the next case is to begin with nothing.
 *
 * @returns what had to be ended, one line each
 */
export async function endLeftovers(directory: string): Promise<readonly string[]> {
  for (let waited = 0; waited < LEFTOVER_LIMIT; waited += LOOK_EVERY) {
    if (processesOf(directory).length === 0) return [];
    await wait(LOOK_EVERY);
  }
  return processesOf(directory).map((pid) => {
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
      .replaceAll('\0', ' ')
      .trim();
    attempt(() => String(process.kill(pid, 'SIGKILL')));
    return `process ${pid} was left behind: ${command}`;
  });
}

/** pids of the processes other than this one that have to do with the directory: by directory, open files, arguments or environment. */
function processesOf(directory: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && pid !== process.ppid && usesDirectory(pid, directory));
}

function usesDirectory(pid: number, directory: string): boolean {
  const mentions = (text: string): boolean => text.includes(directory);
  const base = `/proc/${pid}`;
  return (
    mentions(attempt(() => readlinkSync(`${base}/cwd`))) ||
    mentions(attempt(() => readFileSync(`${base}/cmdline`, 'latin1'))) ||
    mentions(attempt(() => readFileSync(`${base}/environ`, 'latin1'))) ||
    attempt(() => readdirSync(`${base}/fd`).join(' '))
      .split(' ')
      .some((fd) => fd !== '' && mentions(attempt(() => readlinkSync(`${base}/fd/${fd}`))))
  );
}

function removeScratch(path: string): void {
  // A process that is being ended may start another one before it is.
  for (let round = 0; round < 20; round++) {
    const pids = processesOf(path);
    if (pids.length === 0) break;
    for (const pid of pids) attempt(() => String(process.kill(pid, 'SIGKILL')));
    spawnSync('sleep', ['0.05']);
  }
  for (const mount of mountsBelow(path)) spawnSync('umount', ['-l', mount], { stdio: 'ignore' });
  // Directories that their owner may not enter are part of what workloads make.
  if (process.getuid?.() !== 0) spawnSync('chmod', ['-R', 'u+rwX', path], { stdio: 'ignore' });
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** Innermost first. */
function mountsBelow(path: string): readonly string[] {
  return attempt(() => readFileSync('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount.startsWith(`${path}/`))
    .toReversed();
}

/** Empty where the process is gone or not ours to look at. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
