import { newCommandLine, runCommandLine } from './command-line.ts';
import { placeToTrace } from './place-to-trace.ts';
import { defineRun } from './run-command.ts';

/** The command line for `callgate run` alone, which starts a program that much sooner. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = newCommandLine();
  defineRun(program, placeToTrace);
  await runCommandLine(program, argv);
}
