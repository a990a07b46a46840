import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDirectories } from '../base/directories.ts';
import { UsageError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { formatStudyPage } from '../report/study-page.ts';
import type { drawStudyFigures } from '../report/study-figures.ts';
import { conductStudy, type StudyProgress } from '../study/conduct.ts';
import type { Experiment } from '../study/experiment.ts';
import { loadExperiment } from '../study/experiment-load.ts';
import { summarizeStudy } from '../study/results.ts';
import { loadWorkload } from '../study/workload/load.ts';
import { describeHost } from '../trace/host.ts';
import { refuseOwnInput } from './own-input.ts';
import { filesOfProgram } from './program-files.ts';
import { say } from './say.ts';
import { printResult } from './standard-output.ts';

/** What `scripts/bundle.mjs` puts in: a digest of the code that traces and analyses. */
declare const CALLGATE_METHODS: string | undefined;

/** Root of the package: this file is two folders below it, bundled or not. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs an experiment and writes its page, its figures and, if asked for, its results as JSON to stdout. */
export async function runStudy(
  config: string | undefined,
  options: {
    readonly data: string;
    readonly output: string;
    readonly workloads?: string;
    readonly repetitions?: string;
    readonly json?: true;
    readonly quiet?: true;
  },
): Promise<void> {
  if (options.output === '-') {
    throw new UsageError('study: -o has to be a file, for the figures of the page go beside it');
  }
  const document = config ?? join(ROOT, 'experiments', 'published.yaml');
  const loaded = loadExperiment(document, options.workloads ?? join(ROOT, 'workloads'));
  refuseOwnInput(options.output, inputsOf(document, loaded, options.data));
  const experiment =
    options.repetitions === undefined ? loaded : { ...loaded, repetitions: repetitions(options.repetitions) };
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const data = await conductStudy(experiment, {
    data: resolve(options.data),
    callgate: join(ROOT, 'bin', 'callgate'),
    build: buildOfMethods(),
    signal: stop.signal,
    ...(options.quiet === true ? {} : { onProgress: report }),
  });
  if (!data.isComplete && data.runs.length === 0) {
    say('stopped before the first run was done: there is no page; the same command begins again');
    process.exitCode = 130;
    return;
  }
  const summary = summarizeStudy(data);
  const figures = loadFigures()(data, summary);
  const folder = basename(options.output, extname(options.output));
  const beside = join(dirname(options.output), folder);
  makeDirectories(beside);
  for (const { file, svg } of figures) writeFileSync(join(beside, file), svg);
  writeFileSync(
    options.output,
    formatStudyPage(data, summary, { figures, folder, host: describeHost(null) }),
  );
  if (options.json === true) {
    const { results, comparisons } = summary;
    await printResult(
      `${JSON.stringify({ references: Object.fromEntries([...summary.references].map(([name, calls]) => [name, calls.size])), results, comparisons }, null, 2)}\n`,
    );
  }
  for (const [method, why] of data.missing) say(`${method} was left out: ${why}`);
  say(`page: ${options.output}; raw data: ${join(options.data, 'runs.jsonl')}`);
  if (!data.isComplete) {
    say('stopped before the end; the same command goes on from here');
    process.exitCode = 130;
  }
}

/** The files that a study reads: documents, programs, and what it knows from earlier runs. */
function* inputsOf(document: string, { programs }: Experiment, data: string): Generator<string> {
  yield document;
  yield join(data, 'runs.jsonl');
  for (const { workload } of programs) {
    yield workload;
    yield* filesOfProgram(loadWorkload(workload).program, '/');
  }
}

/** Version and digest of the code that traces and analyses; without a bundle there is only the version. */
function buildOfMethods(): string {
  return typeof CALLGATE_METHODS === 'string' ? `${VERSION} ${CALLGATE_METHODS}` : VERSION;
}

/** Drawing needs a large library, which is bundled apart. */
function loadFigures(): typeof drawStudyFigures {
  const bundle = createRequire(import.meta.url)(join(ROOT, 'dist', 'bundle', 'figures.cjs')) as {
    drawStudyFigures: typeof drawStudyFigures;
  };
  return bundle.drawStudyFigures;
}

function report({ program, method, repetition, done, total }: StudyProgress): void {
  say(`${done + 1} of ${total}: ${program}, ${method}, repetition ${repetition + 1}`);
}

function repetitions(text: string): number {
  if (!/^[1-9][0-9]{0,2}$/.test(text)) {
    throw new UsageError(`study: --repetitions must be a number from 1 to 999, is ${JSON.stringify(text)}`);
  }
  return Number(text);
}
