import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { isatty } from 'node:tty';
import { makeDirectories } from '../base/directories.ts';
import { cacheDirectory } from '../base/cache-directory.ts';
import type { AnalysisTask, TaskResult } from '../analyze/pool/task.ts';
import { RootFileSystem } from '../analyze/load/root.ts';
import type { RunTimeLibrary } from '../analyze/load/run-time-library.ts';
import type { PhaseSplit } from '../analyze/phases/find-phases.ts';
import { parseDuration } from '../base/duration.ts';
import { CallgateError, UsageError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { PROFILE_FORMAT, PROFILE_VERSION, type Profile } from '../profile/model.ts';
import { formatAnalyzeSummary, summarizeAnalysis } from '../report/analyze-summary.ts';
import { escapeText } from '../report/escape.ts';
import { describeHost } from '../trace/host.ts';
import type { AnalyzeArguments } from './analyze-command.ts';
import { phaseSplit } from './analyze-phases.ts';
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
  const phases = await phaseSplit(args);
  const libraries = openedLibraries(args.dlopen, args.root);
  const tasks: AnalysisTask[] = [];
  const places: number[] = [];
  for (const [index, file] of files.entries()) {
    try {
      const target = findTarget(file, args.root);
      tasks.push(analysisTask(target, args, phases, libraries));
      places.push(index);
    } catch (error) {
      if (!(error instanceof CallgateError)) throw error;
      fail(error);
    }
  }
  const inputs = inputsOf(tasks, args);
  for (const output of outputs) refuseOwnInput(output, inputs);
  if (args.graph !== undefined) refuseOwnInput(args.graph, inputs, '--graph');
  const start = new Date();
  const summaries: unknown[] = [];
  let unresolved = 0;
  const finish = async (place: number, result: TaskResult, elapsed: number): Promise<void> => {
    const file = files[place] as string;
    const output = outputs[place] as string;
    const profile = profileOf(file, result, start, elapsed);
    await writeProfile(profile, output);
    const summary = summarizeAnalysis(profile, output);
    summaries.push(summary);
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
  await analyzeAll(tasks, args, async (index, result, elapsed) =>
    finish(places[index] as number, result, elapsed),
  );
  if (args.json)
    await printResult(`${JSON.stringify(files.length === 1 ? summaries[0] : summaries, null, 2)}\n`);
  if (args.failOnUnresolved && unresolved > 0) process.exitCode ??= 1;
}

/** The files on the machine that are named to be read: programs, interpreters of scripts, libraries and a trace. */
function inputsOf(tasks: readonly AnalysisTask[], { root, phasesFrom }: AnalyzeArguments): readonly string[] {
  const tree = new RootFileSystem(root);
  const named = tasks[0]?.libraries.flatMap(({ name }) => (name.includes('/') ? [name] : [])) ?? [];
  return [
    ...tasks.flatMap(({ path, script }) => [...filesOfProgram(path, script?.workingDirectory ?? '/', tree)]),
    ...named.flatMap((path) => tree.hostPath(path) ?? []),
    ...(phasesFrom === undefined ? [] : [phasesFrom]),
  ];
}

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

/** In this thread if there is only one program that may take as long as it likes, else in threads of their own. */
async function analyzeAll(
  tasks: readonly AnalysisTask[],
  args: AnalyzeArguments,
  finish: (index: number, result: TaskResult, elapsed: number) => Promise<void>,
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
    if (args.graph === undefined) {
      const result = runTask(first, (object) => progress.show(first.path, object));
      progress.clear();
      await finish(0, result, performance.now() - began);
      return;
    }
    const { analysis, result } = analyzeTask(first, (object) => progress.show(first.path, object));
    progress.clear();
    const [{ callGraph }, { formatGraphDot }, { formatGraphJson }] = await Promise.all([
      import('../analyze/explain/call-graph.ts'),
      import('../report/graph-dot.ts'),
      import('../report/graph-json.ts'),
    ]);
    const graph = callGraph(analysis);
    await writeForeignFile(
      args.graph.endsWith('.dot') ? formatGraphDot(graph) : formatGraphJson(graph),
      args.graph,
    );
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
    if ('error' in outcome) fail(outcome.error);
    else await finish(index, outcome.result, outcome.elapsed);
  }
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
