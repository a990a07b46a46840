import { refuseLoss, requireStdout } from './stdout-state.ts';

/**
 * Writes a result to stdout and waits until it is there.
 *
 * @throws UsageError if it is closed or takes nothing more, as on a full disk; a reader that has seen enough is no failure
 */
export async function printResult(content: string | Uint8Array): Promise<void> {
  requireStdout();
  const error = await new Promise<Error | null | undefined>((resolve) => {
    // Without a listener, Node makes an uncaught exception of the error, beside calling back.
    process.stdout.on('error', () => undefined);
    process.stdout.write(content, resolve);
  });
  if (error !== null && error !== undefined) refuseLoss(error);
}

/** Columns of the terminal that stdout is; 120 for a pipe or a file, which have none. */
export function outputWidth(): number {
  return process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : 120;
}
