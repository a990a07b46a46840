import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a tool ended. */
export interface ToolResult {
  /** Seconds. */
  readonly wall: number;
  /** Empty if it exited with 0. */
  readonly failures: readonly string[];
}

/** Runs a tool to its end with its output in the folder, where it is kept as raw data. */
export async function runTool(
  words: readonly string[],
  {
    folder,
    signal,
    env = {},
  }: { folder: string; signal: AbortSignal; env?: Readonly<Record<string, string>> },
): Promise<ToolResult> {
  const [command = '', ...args] = words;
  const log = join(folder, 'output.txt');
  const descriptor = openSync(log, 'a');
  const began = process.hrtime.bigint();
  const ended = await new Promise<string | null>((resolve) => {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', descriptor, descriptor],
      signal,
    });
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, killed) => resolve(code === 0 ? null : `ended with ${killed ?? code}`));
  });
  closeSync(descriptor);
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  if (ended === null) return { wall, failures: [] };
  const printed = readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? '';
  return { wall, failures: [`${command} ${ended}${printed === '' ? '' : `: ${printed.slice(0, 400)}`}`] };
}
