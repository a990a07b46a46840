import { UsageError } from '../base/errors.ts';
import { LAUNCH_VARIABLE } from '../trace/inherited.ts';

/**
 * Refuses a result for which there is no stdout: Node has opened /dev/null in its place, where it would be lost.
 *
 * @throws UsageError
 */
export function requireStdout(): void {
  if (/ closed=[0-9,]*\b1\b/.test(` ${process.env[LAUNCH_VARIABLE] ?? ''}`)) {
    throw new UsageError('output: cannot write to stdout, it is closed');
  }
}

/**
 * Takes an error of writing to stdout: a reader that has seen enough and closed the pipe, such as head(1), is no failure.
 *
 * @throws UsageError for everything else, such as a full disk
 */
export function refuseLoss(error: unknown): void {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EPIPE') return;
  throw new UsageError(`output: cannot write to stdout, ${message}`, { cause: error });
}
