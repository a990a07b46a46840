import { escapeLines } from '../report/escape.ts';
import { CallgateError, LaunchError, SystemCallError } from '../base/errors.ts';
import { waitForStderr, writeToStderr } from './say.ts';

/** Prints an error as one line on stderr and sets the exit code: 126 or 127 for a program that cannot be run, else 2. */
export function fail(error: unknown): void {
  waitForStderr();
  writeToStderr(`callgate: ${escapeLines(describe(error))}\n`);
  process.exitCode = error instanceof LaunchError ? error.exitCode : 2;
}

function describe(error: unknown): string {
  if (error instanceof CallgateError && !(error instanceof SystemCallError)) return error.message;
  if (error instanceof SystemCallError) return error.message;
  if (!(error instanceof Error)) return String(error);
  // A message of Node's own: the code says more to a person than the stack.
  if ('code' in error) return error.message;
  return `unexpected: ${error.stack ?? error.message}`;
}
