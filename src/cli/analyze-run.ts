import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { isatty } from 'node:tty';
import { makeDirectories } from '../base/directories.ts';
import { cacheDirectory } from '../base/cache-directory.ts';
import type { ProgramAnalysis } from '../analyze/analyze.ts';
import type { AnalysisTask, ObjectProgress, TaskResult } from '../analyze/pool/task.ts';
import { RootFileSystem } from '../analyze/load/root.ts';
import type { RunTimeLibrary } from '../analyze/load/run-time-library.ts';
import type { PhaseSplit } from '../analyze/phases/find-phases.ts';
import { parseDuration } from '../base/duration.ts';
import { CallgateError, UsageError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { PROFILE_FORMAT, PROFILE_VERSION, type Profile } from '../profile/model.ts';
import { type AnalyzeSummary, formatAnalyzeSummary, summarizeAnalysis } from '../report/analyze-summary.ts';
import { escapeText } from '../report/escape.ts';
import { findProgram } from '../policy/policy-sets.ts';
import { buildIdOf } from '../trace/build-id.ts';
import { describeHost } from '../trace/host.ts';
import type { AnalyzeArguments } from './analyze-command.ts';
import { phaseSplit, tracedPrograms } from './analyze-phases.ts';
import { openedLibraries } from './analyze-libraries.ts';
import { AnalyzeProgress } from './analyze-progress.ts';
import { findTarget, scriptPlaces } from './analyze-target.ts';
import { fail } from './failure.ts';
import { writeForeignFile } from './foreign-file.ts';
import { nameAfter } from './output-file.ts';
import { refuseOwnInput } from './own-input.ts';
import { writeProfile } from './profile-output.ts';
import { filesOfProgram } from './program-files.ts';
import { say, writeToStderr } from './say.ts';
import { printResult } from './standard-output.ts';

/**
 * Analyses programs and writes their profiles; one that fails does not keep the others from being analysed.
 *
 * @throws UsageError if the options make no sense
 */
export async function runAnalyze(files: readonly string[], args: AnalyzeArguments): Promise<void> {
  const outputs = outputsOf(files, args);
  if (args.graph !== undefined && files.length > 1) {
    throw new UsageError(`analyze: --graph is for one program, ${files.length} were given`);
  }
  if (args.graph !== undefined && !/\.(dot|json)$/.test(args.graph)) {
    throw new UsageError(
      `analyze: unknown form of a graph, ${escapeText(args.graph)} (a file .dot or .json)`,
    );
  }
  if (args.json && outputs.includes('-')) {
    throw new UsageError(
      'analyze: --json and the profile both go to stdout (write the profile to a file with -o)',
    );
  }
  const { phases, trace } = await phaseSplit(args);
  const tree = new RootFileSystem(args.root);
  const libraries = openedLibraries(args.dlopen, args.root);
  /** By the place of the program on the command line. */
  const summaries: (AnalyzeSummary | AnalyzeFailure)[] = [];
  const failed = (place: number, error: Error): void => {
    summaries[place] = { program: files[place] as string, error: error.message };
    fail(error);
  };
  const tasks: AnalysisTask[] = [];
  const places: number[] = [];
  for (const [index, file] of files.entries()) {
    try {
      const target = findTarget(file, args.root);
      const task = analysisTask(target, args, phases, libraries);
      if (trace !== null) requireTraced(trace, task, file, tree);
      tasks.push(task);
      places.push(index);
    } catch (error) {
      if (!(error instanceof CallgateError)) throw error;
      failed(index, error);
    }
  }
  const inputs = inputsOf(tasks, args, tree);
  for (const output of outputs) refuseOwnInput(output, inputs);
  if (args.graph !== undefined) refuseOwnInput(args.graph, inputs, '--graph');
  const start = new Date();
  let unresolved = 0;
  const finish = async (place: number, result: TaskResult, elapsed: number): Promise<void> => {
    const file = files[place] as string;
    const output = outputs[place] as string;
    const profile = profileOf(file, result, start, elapsed);
    await writeProfile(profile, output);
    const summary = summarizeAnalysis(profile, output);
    summaries[place] = summary;
    unresolved += Object.values(summary.unresolved).reduce((sum, count) => sum + count, 0);
    if (args.quiet) return;
    if (result.script !== null) {
      say(
        `${result.script} is a script: this is its interpreter ${result.program.path}, whatever the script does`,
      );
    }
    writeToStderr(`callgate: ${formatAnalyzeSummary(summary)}\n`);
    if (output !== '-') say(`profile: ${output}`);
  };
  await analyzeAll(tasks, args, {
    finish: async (index, result, elapsed) => finish(places[index] as number, result, elapsed),
    failed: (index, error) => failed(places[index] as number, error),
  });
  if (args.json)
    await printResult(`${JSON.stringify(files.length === 1 ? summaries[0] : summaries, null, 2)}\n`);
  if (args.failOnUnresolved && unresolved > 0) process.exitCode ??= 1;
}

/** The files on the machine that are named to be read: programs, interpreters of scripts, libraries and a trace. */
function inputsOf(
  tasks: readonly AnalysisTask[],
  { phasesFrom }: AnalyzeArguments,
  tree: RootFileSystem,
): readonly string[] {
  const named = tasks[0]?.libraries.flatMap(({ name }) => (name.includes('/') ? [name] : [])) ?? [];
  return [
    ...tasks.flatMap((task) => [...filesOfTask(task, tree)]),
    ...named.flatMap((path) => tree.hostPath(path) ?? []),
    ...(phasesFrom === undefined ? [] : [phasesFrom]),
  ];
}

/** A program on the machine, and if it is a script what runs it. */
function filesOfTask({ path, script }: AnalysisTask, tree: RootFileSystem): Iterable<string> {
  return filesOfProgram(path, script?.workingDirectory ?? '/', tree);
}

/** @throws UsageError if the trace that says where the phases begin is of other programs */
function requireTraced(trace: Profile, task: AnalysisTask, file: string, tree: RootFileSystem): void {
  const traced = tracedPrograms(trace);
  if (traced === null) return;
  for (const host of filesOfTask(task, tree)) {
    const path = tree.directory === '/' ? host : host.slice(tree.directory.length);
    if (findProgram(traced, { path, buildId: buildIdOf(host) }) !== undefined) return;
  }
  const names = traced.map(({ path }) => path).slice(0, NAMED_PROGRAMS);
  throw new UsageError(
    `analyze: the trace of --phases-from has no process of this build of ${escapeText(file)}, but of ${escapeText(names.join(', ')) || 'none'} (trace it, or leave the option out)`,
  );
}

/** Programs of a trace that an error names. */
const NAMED_PROGRAMS = 5;

/** One task of the options. */
export function analysisTask(
  path: string,
  args: Pick<AnalyzeArguments, 'root' | 'plugins' | 'fromMain' | 'cache'> &
    Partial<Pick<AnalyzeArguments, 'timeout' | 'maxMemory' | 'partial'>>,
  phases: PhaseSplit | null,
  libraries: readonly RunTimeLibrary[] = [],
): AnalysisTask {
  const isPartial = args.partial === true;
  return {
    path,
    root: args.root,
    scope: args.fromMain ? 'main' : 'whole',
    phases,
    plugins: args.plugins,
    libraries,
    script: scriptPlaces(path, args.root),
    cache: args.cache ? cacheDirectory('analyze') : null,
    timeLimit: isPartial ? milliseconds(args.timeout) : null,
    memoryLimit: isPartial ? (args.maxMemory ?? null) : null,
  };
}

/** The profile of one program that was analysed; times are in milliseconds. */
export function profileOf(file: string, result: TaskResult, start: Date, elapsed: number): Profile {
  return {
    format: PROFILE_FORMAT,
    version: PROFILE_VERSION,
    generator: { name: 'callgate', version: VERSION },
    runs: [
      {
        method: 'analyze',
        command: [file],
        start: start.toISOString(),
        duration: Math.round(elapsed * 1e6),
        complete: result.incomplete.length === 0,
        incomplete: result.incomplete,
        lost: 0,
        warnings:
          result.script === null
            ? []
            : [`${result.script} is a script: what was analysed is its interpreter`],
        host: describeHost(null),
      },
    ],
    phases: result.phases,
    programs: [result.program],
    processes: [],
  };
}

/** An entry of `--json` for a program that could not be analysed. */
interface AnalyzeFailure {
  /** As it was given. */
  readonly program: string;
  readonly error: string;
}

/** What becomes of the analysis of each task, by its index. */
interface AnalysisEnds {
  readonly finish: (index: number, result: TaskResult, elapsed: number) => Promise<void>;
  readonly failed: (index: number, error: Error) => void;
}

/** In this thread if there is only one program that may take as long as it likes, else in threads of their own. */
async function analyzeAll(
  tasks: readonly AnalysisTask[],
  args: AnalyzeArguments,
  { finish, failed }: AnalysisEnds,
): Promise<void> {
  const progress = new AnalyzeProgress({
    total: tasks.length,
    isQuiet: args.quiet,
    isTerminal: isatty(2),
  });
  const timeLimit = milliseconds(args.timeout);
  const memoryLimit = args.maxMemory ?? null;
  const [first] = tasks;
  if (first === undefined) return;
  if (tasks.length === 1 && (args.graph !== undefined || (timeLimit === null && memoryLimit === null))) {
    const began = performance.now();
    const [{ analyzeTask, runTask }, { compileForShortRun }] = await Promise.all([
      import('../analyze/pool/task.ts'),
      import('../analyze/pool/short-run.ts'),
    ]);
    compileForShortRun();
    const show = (object: ObjectProgress): void => progress.show(first.path, object);
    let analysed: { readonly result: TaskResult; readonly analysis?: ProgramAnalysis };
    try {
      analysed = args.graph === undefined ? { result: runTask(first, show) } : analyzeTask(first, show);
    } catch (error) {
      progress.clear();
      failed(0, error as Error);
      return;
    }
    progress.clear();
    const { analysis, result } = analysed;
    if (args.graph !== undefined && analysis !== undefined) await writeGraph(analysis, args.graph);
    await finish(0, result, performance.now() - began);
    return;
  }
  const { runPool } = await import('../analyze/pool/pool.ts');
  const outcomes = await runPool(
    tasks,
    {
      jobs: args.jobs ?? availableParallelism(),
      timeLimit: args.partial ? null : timeLimit,
      memoryLimit: args.partial ? null : memoryLimit,
      progress: ({ path }, object) => progress.show(path, object),
    },
    () => progress.step(),
  );
  progress.clear();
  for (const [index, outcome] of outcomes.entries()) {
    if ('error' in outcome) failed(index, outcome.error);
    else await finish(index, outcome.result, outcome.elapsed);
  }
}

async function writeGraph(analysis: ProgramAnalysis, file: string): Promise<void> {
  const [{ callGraph }, { formatGraphDot }, { formatGraphJson }] = await Promise.all([
    import('../analyze/explain/call-graph.ts'),
    import('../report/graph-dot.ts'),
    import('../report/graph-json.ts'),
  ]);
  const graph = callGraph(analysis);
  await writeForeignFile(file.endsWith('.dot') ? formatGraphDot(graph) : formatGraphJson(graph), file);
}

function outputsOf(files: readonly string[], { output }: AnalyzeArguments): readonly string[] {
  const names = files.map((file) => nameAfter(basename(file), '.static.json'));
  if (output === undefined) return distinct(names);
  const isDirectory =
    output.endsWith('/') || statSync(output, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isDirectory) {
    if (files.length > 1) {
      throw new UsageError(
        `analyze: ${files.length} programs and one output file (give a directory, such as -o profiles/)`,
      );
    }
    return [output];
  }
  makeDirectories(output);
  return distinct(names).map((name) => join(output, name));
}

function distinct(names: readonly string[]): readonly string[] {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new UsageError(`analyze: two profiles would be ${escapeText(twice)} (one at a time, with -o)`);
  return names;
}

function milliseconds(text: string | undefined): number | null {
  return text === undefined ? null : parseDuration(text, 'analyze: --timeout') / 1e6;
}
