import { defineAnalyze } from './analyze-command.ts';
import { newCommandLine, runCommandLine } from './command-line.ts';

/** The command line for `callgate analyze` alone, of which the code is stored as an analysis has left it. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = newCommandLine();
  defineAnalyze(program);
  await runCommandLine(program, argv);
}
