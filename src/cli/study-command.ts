import type { Command } from 'commander';

interface StudyOptions {
  readonly data: string;
  readonly output: string;
  readonly workloads?: string;
  readonly repetitions?: string;
  readonly json?: true;
  readonly quiet?: true;
}

const HELP = `
Without CONFIG the shipped experiment is run: ls, sqlite3, redis, nginx, memcached and lighttpd, traced and analysed, in one
phase and in several, beside the figures that others have published.

Every run is a line of raw data (DATA/runs.jsonl). A study that was stopped, by Ctrl-C too, goes on where it was; what is
done is not run again unless the program, the workload or the method has changed.

Examples:
  callgate study                                      # the shipped experiment
  callgate study mine.yaml --data mine --output mine/study.md
  callgate study --repetitions 1 --json | jq '.comparisons'`;

/** Registers `callgate study`. */
export function defineStudy(program: Command): void {
  program
    .command('study')
    .description('run an experiment: methods on programs, measured and compared')
    .argument('[config]', 'experiment document (default: the shipped one)')
    .option('--data <folder>', 'raw data, kept between runs', 'callgate-study')
    .option(
      '-o, --output <file>',
      'page to write, Markdown; figures go into a folder beside it',
      'callgate-study/study.md',
    )
    .option('--workloads <folder>', 'where workloads are that are given by name (default: the shipped ones)')
    .option('--repetitions <n>', "in place of the experiment's own number")
    .option('--json', 'print the results as JSON on stdout too')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', HELP)
    .action(async (config: string | undefined, options: StudyOptions) => {
      const { runStudy } = await import('./study-run.ts');
      await runStudy(config, options);
    });
}
