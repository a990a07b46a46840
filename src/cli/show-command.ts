import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Profile } from '../profile/model.ts';
import type { CallFilter } from '../profile/sets.ts';

const FORMATS = ['text', 'names', 'json', 'tree', 'completeness', 'completeness-json'] as const;

interface ShowOptions {
  readonly format: (typeof FORMATS)[number];
  readonly phase?: string;
  readonly process?: number;
  readonly program?: string;
}

const HELP = `
Formats:
  text   runs, phases, and a table of the calls: how often, when, in which phases and runs, with
         which errors and values of the arguments that select what they do
  names  one call a line, in the order of LC_ALL=C sort, nothing else: openat for a call of the
         machine's own arch, i386:open for another arch, x86_64:600 for a number without a name
  json   the same as text for programs: an object with format "callgate-set" and version 1;
         fields may be added to it, none goes away or changes its meaning
  tree   the processes: who started whom, with which program, for how long, in which phases
  completeness
         how much the runs may have missed: an estimate from how many of them made each call, which calls a
         single run made, and what static analysis deems possible but no run did (docs/completeness.md)
  completeness-json
         the same for programs: an object with format "callgate-completeness" and version 1

Counts and times of a call are those of all its uses by the processes that were chosen, also with --phase.
The execve by which callgate started the program is listed and marked. Totals are of the calls that the newest
kernel of the runs has, as with callgate policy.

Examples:
  callgate show redis.json
  callgate show redis.json --format names --phase main
  callgate show make.json --program cc1 --format names
  callgate show make.json --format tree --process 1234
  callgate merge a.json b.json | callgate show -
  callgate merge case-*.json | callgate show - --format completeness`;

/** Registers `callgate show`. */
export function defineShow(program: Command): void {
  program
    .command('show')
    .description('show what a profile holds: system calls, phases, processes')
    .argument('<file>', 'profile to read; - for stdin')
    .addOption(new Option('-f, --format <format>', 'what to print').choices(FORMATS).default('text'))
    .option('--phase <name>', 'only calls that were used in this phase')
    .option('--process <number>', 'only the process with this pid', parsePid)
    .option(
      '--program <path>',
      'only processes of this program: its path, the last part, or the name it was started by',
    )
    .addHelpText('after', HELP)
    .action(async (file: string, options: ShowOptions) => {
      const [{ readProfile }, { printResult }] = await Promise.all([
        import('./profile-input.ts'),
        import('./standard-output.ts'),
      ]);
      await printResult(await render(await readProfile(file), options));
    });
}

async function render(profile: Profile, options: ShowOptions): Promise<string> {
  const filter: CallFilter = {
    ...(options.phase === undefined ? {} : { phase: options.phase }),
    ...(options.process === undefined ? {} : { pid: options.process }),
    ...(options.program === undefined ? {} : { program: options.program }),
  };
  switch (options.format) {
    case 'text': {
      const [{ formatSet }, { outputWidth }] = await Promise.all([
        import('../report/set-text.ts'),
        import('./standard-output.ts'),
      ]);
      return formatSet(profile, filter, outputWidth());
    }
    case 'names':
      return (await import('../report/names.ts')).formatNames(profile, filter);
    case 'json':
      return (await import('../report/set-json.ts')).formatSetJson(profile, filter);
    case 'tree':
      return (await import('../report/tree.ts')).formatTree(profile, filter);
    case 'completeness': {
      const [{ formatCompleteness }, { outputWidth }] = await Promise.all([
        import('../report/completeness-text.ts'),
        import('./standard-output.ts'),
      ]);
      return formatCompleteness(profile, filter, outputWidth());
    }
    case 'completeness-json':
      return (await import('../report/completeness-json.ts')).formatCompletenessJson(profile, filter);
  }
}

function parsePid(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('A pid is a number.');
  return Number(text);
}
