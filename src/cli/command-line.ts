import { Command, CommanderError } from 'commander';
import { UsageError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { spoiltArgument, spoiltDirectory } from '../trace/inherited.ts';
import { fail } from './failure.ts';
import { writeAll } from './output-file.ts';
import { refuseLoss, requireStdout } from './stdout-state.ts';

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
    .exitOverride()
    .hook('preAction', (_, command) => {
      refuseDashes(command);
      refuseSpoilt(command);
    });
  return program;
}

/**
 * Refuses `--` as the value of an option: its value was left out before the `--` that ends the options.
 *
 * @throws UsageError
 */
function refuseDashes(command: Command): void {
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (value !== '--' && !(Array.isArray(value) && value.includes('--'))) continue;
    const what = /<([^>]+)>/.exec(option.flags)?.[1] ?? 'value';
    const article = /^[aeio]/.test(what) ? 'an' : 'a';
    throw new UsageError(
      `${command.name()}: ${option.short ?? option.long} needs ${article} ${what}, and -- ends the options`,
    );
  }
}

/** Commands of which all arguments but the first are those of a program, whose bytes are its own affair. */
const STARTING: readonly string[] = ['trace', 'run'];

/**
 * Refuses names that are not UTF-8: Node has put something else in their place, which would be another name.
 *
 * @throws UsageError
 */
function refuseSpoilt(command: Command): void {
  const starts = STARTING.includes(command.name());
  const own = starts ? Math.max(0, command.args.length - 1) : 0;
  const argument = spoiltArgument(process.argv.slice(2), own);
  if (argument !== null) {
    throw new UsageError(
      `argument: not UTF-8, ${argument} (only the arguments of a traced program may be anything else)`,
    );
  }
  const directory = starts && command.args.length > 0 ? spoiltDirectory() : null;
  if (directory !== null) {
    throw new UsageError(`directory: not UTF-8, ${directory} (start the program in another one)`);
  }
}

/** Not by process.stdout, which would take what a trace does not need. */
function printHelp(text: string): void {
  requireStdout();
  try {
    writeAll(1, Buffer.from(text));
  } catch (error) {
    refuseLoss(error);
  }
}

/** Runs a command line and sets the exit code. */
export async function runCommandLine(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(withoutHelp(program, argv));
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end by way of an error with exit code 0.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      fail(error);
    }
  }
}

/** `help` of a command that there is none of goes the way of that command: else the whole help would be shown. */
function withoutHelp(program: Command, argv: readonly string[]): string[] {
  const [node = '', script = '', help, name] = argv;
  const isKnown = program.commands.some((command) => command.name() === name);
  if (help !== 'help' || name === undefined || name.startsWith('-') || isKnown) return [...argv];
  return [node, script, name === 'help' ? '--help' : name];
}
