import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseElf } from '../../elf/header.ts';
import { interpreter } from '../../elf/interpreter.ts';

/** Scripts whose interpreter is a script, at most; source: fs/exec.c, exec_binprm. */
const SCRIPT_DEPTH = 5;

/** Bytes of a script's first line that the kernel looks at; source: BINPRM_BUF_SIZE. */
const SCRIPT_HEAD = 256;

/** Milliseconds that a program interpreter may take to say what it would load. */
const PATIENCE = 10_000;

/** What of its surroundings decides which libraries a program gets. */
export interface Surroundings {
  readonly env: readonly (string | Uint8Array)[];
  readonly cwd: string | null;
}

/** Paths without links of all that a program has in memory when its first function runs, the program first; empty if it is none. */
export function loadSet(path: string, around: Surroundings): string[] {
  try {
    const program = realpathSync(executedFile(resolve(around.cwd ?? '.', path), around.cwd));
    const elf = parseElf(readFileSync(program));
    const loader = interpreter(elf);
    if (loader === null) return [program];
    return [...new Set([program, ...listedBy(loader, program, around), realpathSync(loader)])];
  } catch {
    // The kernel says what is wrong with it when it is executed.
    return [];
  }
}

/** The file itself, or the interpreter of a script. */
function executedFile(path: string, cwd: string | null, depth = 0): string {
  const head = Buffer.alloc(SCRIPT_HEAD);
  const fd = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  const [, name] = /^#![ \t]*([^ \t\n]+)/.exec(head.toString('utf8', 0, length)) ?? [];
  if (name === undefined || depth === SCRIPT_DEPTH) return path;
  return executedFile(resolve(cwd ?? '.', name), cwd, depth + 1);
}

/**
 * What the program interpreter says that it would load, which nobody knows better: it is what ldd(1) asks. Nothing of the
 * program runs.
 */
function listedBy(loader: string, program: string, { env, cwd }: Surroundings): string[] {
  const entries = env.map((entry) => Buffer.from(entry).toString('utf8'));
  const loading = entries.filter((entry) => /^(LD_(LIBRARY_PATH|PRELOAD|AUDIT)|GLIBC_TUNABLES)=/.test(entry));
  const { stdout } = spawnSync(loader, ['--list', program], {
    cwd: cwd ?? undefined,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PATIENCE,
    env: Object.fromEntries(loading.map((entry) => [entry.split('=', 1)[0], entry.replace(/^[^=]*=/, '')])),
  });
  return stdout.split('\n').flatMap((line) => {
    const path = /^\t(?:.* => )?(\/.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
    return path === undefined ? [] : [realpathSync(path)];
  });
}
