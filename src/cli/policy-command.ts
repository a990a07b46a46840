import { type Command, InvalidArgumentError, Option } from 'commander';
import { RUNTIMES, STRICTNESSES, type Runtime, type Strictness } from '../policy/model.ts';
import { collectNames } from './name-option.ts';
import { writeToStderr } from './say.ts';

interface PolicyOptions {
  readonly output: string;
  readonly format?: 'yaml' | 'json';
  readonly strict: Strictness;
  readonly unresolved: 'fail' | 'accept';
  readonly portable?: string;
  readonly vdso: boolean;
  readonly chance: boolean;
  readonly runtime: readonly Runtime[];
  readonly args: boolean;
  readonly onViolation: string;
  readonly respawn?: boolean;
  readonly onePhase: boolean;
  readonly perProgram: boolean;
}

const HELP = `
Strictness:
  observed  what was seen in the runs, and what imported files say
  balanced  also what static analysis says is possible, except dangerous calls that were never seen
  sound     all that is possible

Each phase has the set that is needed from then on: by what runs by then, and by all children that will be born,
since a filter can only be tightened and children inherit it. Where a tree has several programs, each gets a
narrower set as well.

What is blocked is counted among the calls that the newest kernel of the profiles has.

Groups are added by name, and the comment of each entry says which: always, vdso, threads and memory (what
a program makes or not by chance), switch (what putting the next filter in place takes), launch (what starts a program
of which only the code is known), portable, runtime:runc, runtime:crun.

Examples:
  callgate policy redis.json -o redis.yaml
  callgate policy run1.json run2.json --args --on-violation kill -o app.yaml
  callgate policy nginx.json --respawn --portable 5.10..6.12 -o nginx.yaml
  callgate policy app.json --runtime runc -o app.yaml
  callgate policy ls.json | callgate check -`;

function collectRuntimes(value: string, before: readonly string[]): readonly string[] {
  const names = collectNames(value, before);
  if (!names.every((name) => (RUNTIMES as readonly string[]).includes(name))) {
    throw new InvalidArgumentError(`Allowed choices are ${RUNTIMES.join(', ')}.`);
  }
  return names;
}

/** Registers `callgate policy`. */
export function definePolicy(program: Command): void {
  program
    .command('policy')
    .description('make a policy from profiles: what may be called in each phase')
    .argument('<file...>', 'profiles to read; - for stdin')
    .option('-o, --output <file>', 'write the policy there; - for stdout', '-')
    .addOption(
      new Option(
        '-f, --format <format>',
        'yaml or json (default: json for a file *.json, else yaml)',
      ).choices(['yaml', 'json']),
    )
    .addOption(
      new Option('--strict <level>', 'how much of the profiles to take')
        .choices(STRICTNESSES)
        .default('observed'),
    )
    .addOption(
      new Option(
        '--unresolved <what>',
        'with --strict sound, where an analysis could not bound a site: fail, or accept that the rest is denied',
      )
        .choices(['fail', 'accept'])
        .default('fail'),
    )
    .option('--portable <kernels>', 'add what other C libraries and kernels need, such as 5.10..6.12')
    .option('--vdso', 'add calls that the vDSO hides from a trace', true)
    .option('--no-vdso', 'do not add them')
    .option(
      '--no-chance',
      'do not add what is made or not by chance: waits of threads, memory in later phases',
    )
    .addOption(
      new Option(
        '--runtime <name>',
        'add what this container runtime needs to start the program; several with commas, repeatable',
      )
        .choices(RUNTIMES)
        .argParser(collectRuntimes)
        .default([]),
    )
    .option('--args', 'make rules of the arguments that select what a call does', false)
    .option('--on-violation <action>', 'kill, errno[:NAME], trap or log', 'errno:EPERM')
    .option('--respawn', 'children that were started before a phase may be started again in it')
    .option('--one-phase', "one set for the whole life, whatever the profiles' phases", false)
    .option('--no-per-program', 'no narrower sets for single programs')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: PolicyOptions) => {
      const [
        { buildPolicy },
        kernels,
        { readProfiles },
        save,
        { writeForeignFile },
        { formatPolicySummary },
        { escapeText },
        { takeRunsOnce },
        { describeRepeated },
        { refuseOwnInput },
      ] = await Promise.all([
        import('../policy/build.ts'),
        import('../policy/kernel-release.ts'),
        import('./profile-input.ts'),
        import('../policy/save.ts'),
        import('./foreign-file.ts'),
        import('../report/policy-summary.ts'),
        import('../report/escape.ts'),
        import('../profile/repeated-runs.ts'),
        import('../report/merge-summary.ts'),
        import('./own-input.ts'),
      ]);
      const { output, format, portable, runtime, respawn, ...plain } = options;
      refuseOwnInput(output, files);
      const { profiles, repeated } = takeRunsOnce(await readProfiles(files));
      if (repeated > 0) writeToStderr(`callgate: ${describeRepeated(repeated)}\n`);
      const { policy, notes } = buildPolicy(profiles, {
        ...plain,
        portable: portable === undefined ? null : kernels.requireRange(portable),
        runtimes: runtime,
        respawn: respawn === true,
      });
      const isJson = format === 'json' || (format === undefined && output.endsWith('.json'));
      await writeForeignFile(isJson ? save.formatPolicyJson(policy) : save.formatPolicyYaml(policy), output);
      writeToStderr(formatPolicySummary(policy, notes, output === '-' ? 'stdout' : escapeText(output)));
    });
}
