import { UsageError } from '../base/errors.ts';

/**
 * Writes a result to stdout and waits until it is there.
 *
 * A reader that has seen enough and closed the pipe, such as head(1), is no failure.
 *
 * @throws UsageError for everything else, such as a full disk
 */
export async function printResult(content: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Without a listener, Node makes an uncaught exception of the error, beside calling back.
    process.stdout.on('error', () => undefined);
    process.stdout.write(content, (error) => {
      if (error === null || error === undefined || (error as NodeJS.ErrnoException).code === 'EPIPE')
        resolve();
      else reject(new UsageError(`output: cannot write to stdout, ${error.message}`, { cause: error }));
    });
  });
}

/** Columns of the terminal that stdout is; 120 for a pipe or a file, which have none. */
export function outputWidth(): number {
  return process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : 120;
}
