import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { executedByEnv, parseScriptLine } from '../analyze/load/script-line.ts';
import { resolveCommand } from '../trace/command.ts';

/** Scripts for scripts that the kernel follows (execve(2), BINPRM limit), and some more. */
const MOST_SCRIPTS = 8;

/** As much of a file as the kernel looks at for a `#!` line. */
const HEAD_SIZE = 256;

/** Where programs are looked up: the machine's own files, or those below another root. */
export interface FileTree {
  /** The path on the machine; null if there is no such file. */
  hostPath(path: string): string | null;
  /** The first bytes of a file; null where it cannot be read. */
  readHead(path: string, length: number): Uint8Array | null;
}

/**
 * The files that the start of a command reads, as paths on the machine: the program as PATH finds it, and what `filesOfProgram`
 * adds. Nothing of what cannot be started: whoever starts it says why.
 */
export function* filesOfCommand(who: 'trace' | 'run', name: string): Generator<string> {
  let path: string;
  try {
    path = resolveCommand(who, name, process.env['PATH'], process.cwd());
  } catch {
    return;
  }
  yield* filesOfProgram(path, process.cwd());
}

/** A program, and if it is a script its interpreter and what that executes if it is env. */
export function* filesOfProgram(
  program: string,
  directory: string,
  tree: FileTree = MACHINE,
): Generator<string> {
  let at = program;
  for (let depth = 0; depth < MOST_SCRIPTS; depth++) {
    const host = tree.hostPath(at);
    if (host === null) return;
    yield host;
    const line = scriptLine(at, tree);
    if (line === null) return;
    at = resolve(directory, line.interpreter);
    const executed = executedByEnv(line);
    if (executed === null) continue;
    const env = tree.hostPath(at);
    if (env !== null) yield env;
    const found = find(executed, directory, tree);
    if (found === null) return;
    at = found;
  }
}

function scriptLine(path: string, tree: FileTree): ReturnType<typeof parseScriptLine> {
  try {
    const head = tree.readHead(path, HEAD_SIZE);
    return head === null ? null : parseScriptLine(path, head);
  } catch {
    // A line that names nothing is told of by whoever starts or reads the script.
    return null;
  }
}

/** As execvp(3) finds it. */
function find(name: string, directory: string, tree: FileTree): string | null {
  if (name === '') return null;
  if (name.includes('/')) return resolve(directory, name);
  const places = (process.env['PATH'] ?? '/bin:/usr/bin').split(':').map((place) => place || '.');
  return (
    places
      .map((place) => resolve(directory, place, name))
      .find((path) => {
        const host = tree.hostPath(path);
        return host !== null && isFile(host);
      }) ?? null
  );
}

const MACHINE: FileTree = {
  hostPath: (path) => (isFile(path) ? path : null),
  readHead(path, length) {
    const descriptor = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(descriptor, bytes));
    } finally {
      closeSync(descriptor);
    }
  },
};

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}
