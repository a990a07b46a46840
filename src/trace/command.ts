import { accessSync, closeSync, constants, openSync, readSync, statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { LaunchError } from '../base/errors.ts';

/**
 * Finds the file that execve is to be given for a command, as a shell would: PATH is searched unless the name has a `/`.
 *
 * Refuses beforehand what the kernel would refuse, so that the reason can be given in words; the
 * kernel has the last word.
 *
 * @param who begins the messages of errors: what the program is started for
 * @throws LaunchError
 */
export function resolveCommand(
  who: 'trace' | 'run' | 'spawn',
  name: string,
  path: string | undefined,
  cwd: string,
): string {
  if (name === '') throw new LaunchError(`${who}: the name of the program is empty`, 127);
  requireDirectory(who, cwd, name);
  if (name.includes('/')) {
    // A slash at its end says that it is a directory.
    const file = resolve(cwd, name) + (name.endsWith('/') ? '/' : '');
    checkExecutable(who, file, name);
    return name.startsWith('/') ? name : file;
  }
  let refused: LaunchError | null = null;
  for (const directory of (path ?? '/usr/local/bin:/usr/bin:/bin').split(':')) {
    const file = resolve(cwd, directory === '' ? '.' : directory, name);
    if (!mayBeProgram(file)) continue;
    try {
      checkExecutable(who, file, file);
      return file;
    } catch (error) {
      // Like a shell: a file that is there but cannot be executed is worth telling of if nothing better turns up.
      if (error instanceof LaunchError && error.exitCode === 126) refused ??= error;
    }
  }
  throw refused ?? new LaunchError(`${who}: ${name}: not found in PATH (give its path, or install it)`, 127);
}

function requireDirectory(who: string, cwd: string, name: string): void {
  let stat: Stats | undefined;
  try {
    stat = statSync(cwd, { throwIfNoEntry: false });
  } catch {
    // The kernel has the last word on a directory that cannot be looked at.
    return;
  }
  if (stat?.isDirectory() === true) return;
  const what = stat === undefined ? 'no such directory' : 'is no directory';
  throw new LaunchError(`${who}: ${cwd}: ${what} to start ${name} in`, 126);
}

/** Whether there is a file that is no directory, as far as that can be seen. */
function mayBeProgram(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch {
    return false;
  }
}

function checkExecutable(who: string, file: string, shown: string): void {
  const stat = lookAt(who, file, shown);
  if (stat === undefined) throw new LaunchError(`${who}: ${shown}: no such file`, 127);
  if (stat.isDirectory()) throw new LaunchError(`${who}: ${shown}: is a directory, not a program`, 126);
  try {
    accessSync(file, constants.X_OK);
  } catch {
    throw new LaunchError(`${who}: ${shown}: not executable (chmod +x, or run its interpreter with it)`, 126);
  }
  const interpreter = missingInterpreter(file);
  if (interpreter !== null) {
    throw new LaunchError(`${who}: ${shown}: its interpreter ${interpreter} does not exist`, 127);
  }
}

/** Nothing if there is no such file. @throws LaunchError if it cannot be told: a directory on the way is closed, or links go round. */
function lookAt(who: string, file: string, shown: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    const { errno = 0, code } = error as NodeJS.ErrnoException;
    const reason = getSystemErrorMap().get(errno)?.[1] ?? code;
    throw new LaunchError(`${who}: ${shown}: cannot be looked at, ${reason}`, 126);
  }
}

/** The interpreter of a #! line if that file does not exist. */
function missingInterpreter(file: string): string | null {
  const bytes = Buffer.alloc(256);
  let length: number;
  try {
    const fd = openSync(file, 'r');
    try {
      length = readSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Execute permission without read permission is enough for the kernel.
    return null;
  }
  const match = /^#![ \t]*([^ \t\n]+)/.exec(bytes.toString('latin1', 0, length));
  const interpreter = match?.[1];
  if (interpreter === undefined) return null;
  try {
    return statSync(interpreter, { throwIfNoEntry: false }) === undefined ? interpreter : null;
  } catch {
    return null;
  }
}
