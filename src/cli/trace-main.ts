import { newCommandLine, runCommandLine } from './command-line.ts';
import { placeToTrace } from './place-to-trace.ts';
import { defineTrace } from './trace-command.ts';

/** The command line for `callgate trace` alone, which starts a program that much sooner: see `needsOwnThread`. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = newCommandLine();
  defineTrace(program, placeToTrace);
  await runCommandLine(program, argv);
}
