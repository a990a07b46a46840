import { type Command, Option } from 'commander';
import type { Comparison } from '../compare/source.ts';
import { writeToStderr } from './say.ts';

const FORMATS = ['text', 'json', 'csv', 'csv-summary', 'markdown', 'html'] as const;
const ORDERS = ['name', 'nr', 'count'] as const;

interface CompareCommandOptions {
  readonly format: (typeof FORMATS)[number];
  readonly output: string;
  readonly reference: readonly string[];
  readonly as: readonly string[];
  readonly phase?: string;
  readonly program?: string;
  readonly sort: (typeof ORDERS)[number];
  readonly onlyDifferences?: true;
}

const HELP = `
Each file is a profile or a policy of callgate's, or what another tool has written, see callgate import --help. NAME=FILE
names its columns. A profile that holds both what was seen and what is possible by code is shown as two
sources; one with several phases has a column for each. The execve by which a tracer starts the program does
not count.

With --reference, which is usually the union of many runs or the program's test suite, each set is measured by it:
  precision  share of the set that the reference has too: how tight it is
  recall     share of the reference that the set has: below 1 it breaks the program, and the missed calls are named
  F1         their harmonic mean
Calls of arches of which the reference has none are not counted.

BLOCKED counts among all calls of the arch that kernels have, for a policy up to the newest that it knows. TIME is that of the run in the middle: how long the
method took.

Formats:
  text         tables for people, coloured on a terminal unless NO_COLOR is set
  json         an object with format "callgate-comparison" and version 1 (docs/formats/compare.md)
  csv          the matrix, one call a row; csv-summary: one set a row
  markdown     tables for a document
  html         one page that needs nothing else

Examples:
  callgate compare trace=redis.json code=redis-static.json --reference redis-suite.json
  callgate compare old.policy.yaml new.policy.yaml --only-differences
  callgate compare mine.json sysfilter=out.json callander=permitted.txt --as sysfilter=sysfilter -f html -o sets.html`;

/** Registers `callgate compare`. */
export function defineCompare(program: Command): void {
  program
    .command('compare')
    .description('put profiles, policies and results of other tools side by side')
    .argument('<file...>', 'files to compare, NAME=FILE to name one; - for stdin')
    .addOption(new Option('-f, --format <format>', 'what to print').choices(FORMATS).default('text'))
    .option('-r, --reference <file>', 'measure the sets by it; repeatable, then by all together', collect, [])
    .option(
      '--as <format>',
      'format of files that are not recognised, NAME=FORMAT for one file; repeatable',
      collect,
      [],
    )
    .option('--phase <name>', 'only this phase; what has no phases stands for each')
    .option(
      '--program <path>',
      'only sets of this program: its path, the last part, or the name it was started by',
    )
    .option('--only-differences', 'leave out calls in which all agree')
    .addOption(
      new Option('--sort <order>', 'order of the calls; count: those that most sources have first')
        .choices(ORDERS)
        .default('name'),
    )
    .option('-o, --output <file>', 'write there; - for stdout', '-')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: CompareCommandOptions) => {
      const [
        { inputPaths, readComparisonInputs },
        { compareSources },
        { writeForeignFile },
        { refuseOwnInput },
      ] = await Promise.all([
        import('./compare-input.ts'),
        import('../compare/compare.ts'),
        import('./foreign-file.ts'),
        import('./own-input.ts'),
      ]);
      refuseOwnInput(options.output, inputPaths([...files, ...options.reference]));
      const { phase, program: wanted, sort, onlyDifferences } = options;
      const [inputs = [], references = []] = await readComparisonInputs([files, options.reference], {
        as: options.as,
        program: wanted,
      });
      const filter = {
        ...(phase === undefined ? {} : { phase }),
        ...(wanted === undefined ? {} : { program: wanted }),
      };
      const comparison = compareSources(inputs, {
        ...filter,
        sort,
        references,
        onlyDifferences: onlyDifferences === true,
      });
      await warn([...inputs, ...references]);
      await writeForeignFile(await render(comparison, filter, options), options.output);
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function render(
  comparison: Comparison,
  filter: { readonly phase?: string; readonly program?: string },
  { format, output }: CompareCommandOptions,
): Promise<string> {
  switch (format) {
    case 'text': {
      const [{ formatComparison }, { outputWidth }] = await Promise.all([
        import('../report/compare-text.ts'),
        import('./standard-output.ts'),
      ]);
      return formatComparison(comparison, outputWidth(), output === '-' && isColourful());
    }
    case 'json':
      return (await import('../report/compare-json.ts')).formatComparisonJson(comparison, filter);
    case 'csv':
      return (await import('../report/compare-csv.ts')).formatComparisonCsv(comparison);
    case 'csv-summary':
      return (await import('../report/compare-csv.ts')).formatComparisonSummaryCsv(comparison);
    case 'markdown':
      return (await import('../report/compare-markdown.ts')).formatComparisonMarkdown(comparison);
    case 'html':
      return (await import('../report/compare-html.ts')).formatComparisonHtml(comparison);
  }
}

/** On a terminal, unless its user does not want it: https://no-color.org. */
function isColourful(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stdout.isTTY && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb';
}

async function warn(
  inputs: readonly { readonly label: string; readonly remarks: readonly string[] }[],
): Promise<void> {
  const { escapeText } = await import('../report/escape.ts');
  for (const { label, remarks } of inputs) {
    for (const remark of remarks) writeToStderr(`callgate: warning: ${escapeText(`${label}: ${remark}`)}\n`);
  }
}
