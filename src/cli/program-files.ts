import { resolve } from 'node:path';
import { findExecutable } from '../analyze/load/find-executable.ts';
import { RootFileSystem } from '../analyze/load/root.ts';
import { executedByEnv, parseScriptLine } from '../analyze/load/script-line.ts';
import { resolveCommand } from '../trace/command.ts';

/** Scripts for scripts that the kernel follows (execve(2), BINPRM limit), and some more. */
const MOST_SCRIPTS = 8;

/** As much of a file as the kernel looks at for a `#!` line. */
const HEAD_SIZE = 256;

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
  tree: RootFileSystem = new RootFileSystem('/'),
): Generator<string> {
  const searchPath = (process.env['PATH'] ?? '/bin:/usr/bin').split(':');
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
    const found = findExecutable(tree, executed, searchPath, directory);
    if (found === null) return;
    at = found;
  }
}

function scriptLine(path: string, tree: RootFileSystem): ReturnType<typeof parseScriptLine> {
  try {
    const head = tree.readHead(path, HEAD_SIZE);
    return head === null ? null : parseScriptLine(path, head);
  } catch {
    // A line that names nothing is told of by whoever starts or reads the script.
    return null;
  }
}
