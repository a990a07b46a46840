import { type Command, InvalidArgumentError, Option } from 'commander';

/** Options of `callgate analyze` as commander hands them over. */
export interface AnalyzeArguments {
  readonly output?: string;
  readonly root: string;
  readonly dlopen: readonly string[];
  readonly plugins: boolean;
  readonly fromMain: boolean;
  readonly phases: 'auto' | 'main' | 'none';
  readonly mainFunction?: string;
  readonly phasesFrom?: string;
  readonly graph?: string;
  readonly jobs?: number;
  readonly timeout?: string;
  readonly maxMemory?: number;
  readonly partial: boolean;
  readonly cache: boolean;
  readonly failOnUnresolved: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

const HELP = `
Nothing is run. The code of the program, of all libraries that its loader would map, and of those that it opens by a
name that can be told, is read from the files. The profile says which calls are possible, how the code gets there, what it
takes for granted, and what it could not bound ("unresolved").
A server is set up before it serves, and needs less from then on: its main phase is what can be reached from the loop in
which it waits, and after that, with all that set-up has left behind to be called later.
A script stands for its interpreter: what the script itself does is not seen.

Examples:
  callgate analyze /usr/bin/redis-server -o redis.static.json
  callgate analyze --root /srv/image /usr/sbin/nginx
  callgate analyze --dlopen libsqlite3.so.0 --dlopen ./plug-ins/ ./server
  callgate analyze --main-function serve_forever ./server
  callgate analyze --phases-from redis.json /usr/bin/redis-server
  callgate analyze --graph server.dot ./server
  callgate analyze -o profiles/ /usr/bin/git /usr/bin/curl /usr/bin/tar
  callgate explain redis.static.json execve
  callgate policy --strict sound redis.static.json -o redis.yaml

Exit codes: 0 done, 1 unresolved sites with --fail-on-unresolved, 2 failure.`;

/** Registers `callgate analyze`. */
export function defineAnalyze(program: Command): void {
  program
    .command('analyze')
    .description('find out which system calls a program can make, without running it')
    .argument('<file...>', 'programs to analyse')
    .option(
      '-o, --output <path>',
      'write the profile there, or into that directory; - for stdout (default: NAME.static.json)',
    )
    .option('--root <dir>', 'root file system in which the programs and their libraries are', '/')
    .option(
      '--dlopen <file>',
      'a library that is opened at run time as well, or all in a directory; repeatable',
      collect,
      [],
    )
    .option(
      '--no-plugins',
      'leave out what configuration and plug-in directories name (OpenSSL, PAM, SASL, Kerberos, Qt, Java, interpreters, servers)',
    )
    .option('--from-main', 'only what can be reached from main on, without the loader and start-up', false)
    .addOption(
      new Option(
        '--phases <how>',
        'tell set-up from the main phase: at the loop in which the program waits, if it has one (auto), at main, or not at all',
      )
        .choices(['auto', 'main', 'none'])
        .default('auto'),
    )
    .option('--main-function <name>', 'the main phase begins at this function, or address such as 0x12a40')
    .option(
      '--phases-from <profile>',
      'the main phase begins where a trace says: at its function, or the loop around its waiting call',
    )
    .option('--graph <file>', 'write the call graph of what can be reached as well (.dot or .json)')
    .addOption(
      new Option('-j, --jobs <n>', 'programs at once (default: one a processor)').argParser(parseJobs),
    )
    .option('--timeout <duration>', 'give a program up after that, such as 30s')
    .addOption(
      new Option('--max-memory <size>', 'give up past that, such as 500M or 2G').argParser(parseSize),
    )
    .option('--partial', 'past these limits, write a profile of what was read, marked incomplete', false)
    .option('--no-cache', 'neither use nor fill the cache ($XDG_CACHE_HOME/callgate)')
    .option('--fail-on-unresolved', 'exit with 1 if there are sites that could not be bounded', false)
    .option('-q, --quiet', 'print nothing on stderr but errors and warnings', false)
    .option('--json', 'print the summary as JSON on stdout', false)
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], args: AnalyzeArguments) => {
      const { runAnalyze } = await import('./analyze-run.ts');
      await runAnalyze(files, args);
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function parseJobs(text: string): number {
  if (!/^[1-9][0-9]{0,2}$/.test(text)) throw new InvalidArgumentError('It is a number from 1 to 999.');
  return Number(text);
}

function parseSize(text: string): number {
  const match = /^([0-9]{1,12})([KMG]?)(?:i?B)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('A size is a number of bytes, with K, M or G.');
  const unit = ['', 'K', 'M', 'G'].indexOf((match[2] ?? '').toUpperCase());
  return Number(match[1]) * 1024 ** unit;
}
