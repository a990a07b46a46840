import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Call, Process, Profile } from '../../src/profile/model.ts';

/** The command as it is installed. */
export const CALLGATE: string = fileURLToPath(new URL('../../bin/callgate', import.meta.url));

/** What a finished command left. */
export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Finished {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 180_000,
    // A callgate that hangs does not hear a polite word, and would keep the tests from ending.
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
    input: '',
    ...options,
  });
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr };
}

/** Runs callgate to its end. */
export function callgate(args: readonly string[], options: Parameters<typeof run>[2] = {}): Finished {
  return run(CALLGATE, args, options);
}

/** A callgate that goes on in the background. */
export interface Background {
  readonly pid: number;
  readonly end: Promise<Finished>;
  /** Resolves when stderr or stdout contains the text. */
  waitFor(text: string | RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts callgate (or another command) without waiting for it. */
export function start(args: readonly string[], command: string = CALLGATE): Background {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const waiting: (() => void)[] = [];
  const wake = (): void => waiting.forEach((look) => look());
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    wake();
  });
  const end = new Promise<Finished>((resolve) => {
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return {
    pid: child.pid as number,
    end,
    waitFor: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const all = stdout + stderr;
          if (typeof text === 'string' ? all.includes(text) : text.test(all)) resolve();
        };
        waiting.push(look);
        look();
        void end.then(() => reject(new Error(`ended without ${String(text)}: ${stdout}${stderr}`)));
      }),
    kill: (signal) => child.kill(signal),
  };
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'callgate-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Traces a command and returns its profile together with how callgate ended. */
export function traceCommand(
  command: readonly string[],
  options: readonly string[] = [],
  settings: Parameters<typeof run>[2] = {},
): Finished & { readonly profile: Profile } {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'profile.json');
  const finished = callgate(['trace', '-o', file, ...options, '--', ...command], settings);
  return { ...finished, profile: readProfile(file) };
}

/** Reads a profile without checking it: what is wrong with it is for the test to say. */
export function readProfile(file: string): Profile {
  return JSON.parse(readFileSync(file, 'utf8')) as Profile;
}

/** Keys `arch:name` (or `arch:number`) of all calls of some processes. */
export function callNames(processes: readonly Process[]): Set<string> {
  return new Set(processes.flatMap(({ calls }) => calls.map(callKey)));
}

/** `arch:name`, or `arch:number` for a number without a name. */
export function callKey(call: Call): string {
  return `${call.arch}:${call.name ?? call.nr}`;
}

/** How often a call was made by some processes. */
export function countOf(processes: readonly Process[], name: string): number {
  return processes
    .flatMap(({ calls }) => calls)
    .filter((call) => call.name === name)
    .reduce((sum, { count }) => sum + (count ?? 0), 0);
}
