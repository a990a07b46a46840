import { writeSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { VERSION } from '../base/version.ts';
import { fail } from './failure.ts';

const EXAMPLES = `
Examples:
  callgate trace -- ls -l                       what does ls call?
  callgate show ls.callgate.json                read the profile
  callgate trace --ready listen:6379 --workload 'redis-benchmark -q -n 10000' \\
      -o redis.json -- redis-server --port 6379  a server under load, ended afterwards
  callgate doctor                               what works on this machine

Exit codes: 0 done, 1 findings, 2 usage or failure; trace ends as the program did
(127 not found, 126 not executable).`;

/** A command line without commands yet. */
export function newCommandLine(): Command {
  const program = new Command('callgate');
  program
    .description('Finds out which Linux system calls a program needs, and locks it down to them.')
    .version(VERSION, '-V, --version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', EXAMPLES)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: printHelp,
      outputError: (text, write) => write(`callgate: ${text.replace(/^error: /, '')}`),
    })
    .exitOverride();
  return program;
}

/** Not by process.stdout: a reader that has seen enough, such as head(1), is no failure. */
function printHelp(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // There is nobody to read it.
  }
}

/** Runs a command line and sets the exit code. */
export async function runCommandLine(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end by way of an error with exit code 0.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      fail(error);
    }
  }
}
