import { UnsupportedError } from '../../base/errors.ts';
import { E_MACHINE } from '../../elf/constants.ts';
import type { Phase, Program, UnresolvedSite } from '../../profile/model.ts';
import {
  type AnalysisStatistics,
  type AnalyzeOptions,
  analyzeProgram,
  type ProgramAnalysis,
} from '../analyze.ts';
import { cachedSource } from '../cache/code-cache.ts';
import { emptyCode } from '../cache/code-entry.ts';
import { EntryStore } from '../cache/entry-store.ts';
import { keepResult, recallResult } from '../cache/program-cache.ts';
import { RecordingRoot } from '../cache/recording-root.ts';
import { analyzeObject } from '../code/analyze-object.ts';
import type { CodeSource } from '../graph/program-graph.ts';
import type { Scope } from '../graph/scope.ts';
import type { RunTimeLibrary } from '../load/run-time-library.ts';
import type { PhaseSplit } from '../phases/find-phases.ts';

/** One program to analyse; plain data, so that it can be handed to another thread. */
export interface AnalysisTask {
  /** Absolute path below the root. */
  readonly path: string;
  /** Root file system on the host. */
  readonly root: string;
  readonly scope: Scope;
  /** How to tell set-up from what follows; null for one phase. */
  readonly phases: PhaseSplit | null;
  readonly plugins: boolean;
  readonly libraries: readonly RunTimeLibrary[];
  /** For scripts: where relative interpreters begin, and where env looks for them; null for what is no script. */
  readonly script: { readonly workingDirectory: string; readonly searchPath: readonly string[] } | null;
  /** Directory of the cache; null for none. */
  readonly cache: string | null;
  /** Milliseconds and bytes after which no further object is read; null for no bound. */
  readonly timeLimit: number | null;
  readonly memoryLimit: number | null;
}

/** What became of a task. */
export interface TaskResult {
  readonly program: Program;
  readonly phases: readonly Phase[];
  readonly statistics: AnalysisStatistics;
  /** The script whose interpreter was analysed; null for an ELF file. */
  readonly script: string | null;
  /** Why it is not complete, one sentence each. */
  readonly incomplete: readonly string[];
}

/** An object whose code is about to be read. */
export interface ObjectProgress {
  /** How many objects of the program were begun, with this one. */
  readonly objects: number;
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
}

/** Told of each object. */
export type TaskProgress = (object: ObjectProgress) => void;

/**
 * Analyses a program, or recalls what was found when nothing has changed since.
 *
 * @throws as `analyzeProgram`
 */
export function runTask(task: AnalysisTask, progress: TaskProgress = () => undefined): TaskResult {
  const root = new RecordingRoot(task.root);
  const store = task.cache === null ? null : new EntryStore(task.cache);
  const { path, scope, phases, plugins, libraries, script } = task;
  const question = JSON.stringify({ path, scope, phases, plugins, libraries, script });
  if (store !== null) {
    const known = recallResult(store, root, question);
    if (known !== null) return known as TaskResult;
  }
  const { result } = analyzeWith(task, root, store, progress);
  if (store !== null && result.incomplete.length === 0) keepResult(store, root, question, result);
  return result;
}

/** As `runTask`, but always analyses, for those who need the graph. */
export function analyzeTask(
  task: AnalysisTask,
  progress: TaskProgress = () => undefined,
): { readonly analysis: ProgramAnalysis; readonly result: TaskResult } {
  const store = task.cache === null ? null : new EntryStore(task.cache);
  return analyzeWith(task, new RecordingRoot(task.root), store, progress);
}

function analyzeWith(
  task: AnalysisTask,
  root: RecordingRoot,
  store: EntryStore | null,
  progress: TaskProgress,
): { readonly analysis: ProgramAnalysis; readonly result: TaskResult } {
  const began = performance.now();
  const unread: { readonly path: string; readonly reason: string }[] = [];
  let objects = 0;
  const read: CodeSource = store === null ? analyzeObject : cachedSource(store);
  const source: CodeSource = (image, view) => {
    const path = image.objects[view.index]?.file.path ?? '';
    const { elf } = image.objects[view.index]?.file ?? {};
    if (elf?.machine !== E_MACHINE.EM_X86_64) {
      throw new UnsupportedError(`analyze: ${path} is for machine ${elf?.machine} (x86-64 only)`, {
        feature: 'analysis of other machines',
      });
    }
    progress({ objects: ++objects, path, size: elf.bytes.length });
    const isLate = task.timeLimit !== null && performance.now() - began > task.timeLimit;
    const isLarge = task.memoryLimit !== null && process.memoryUsage.rss() > task.memoryLimit;
    if (!isLate && !isLarge) return read(image, view);
    unread.push({ path, reason: `the ${isLate ? 'time' : 'memory'} was used up before it was read` });
    return emptyCode();
  };
  const options: AnalyzeOptions = {
    root,
    scope: task.scope,
    ...task.script,
    ...(task.phases === null ? {} : { phases: task.phases }),
    plugins: task.plugins,
    libraries: task.libraries,
    source,
  };
  const analysis = analyzeProgram(task.path, options);
  const { loadSet } = analysis.graph.image;
  return {
    analysis,
    result: {
      program: withUnread(analysis.program, analysis.phases, unread),
      phases: analysis.phases,
      statistics: analysis.statistics,
      script: loadSet.script?.path ?? null,
      incomplete: unread.map(({ path, reason }) => `${path}: ${reason}`),
    },
  };
}

/** What was not read may make any call. */
function withUnread(
  program: Program,
  phases: readonly Phase[],
  unread: readonly { readonly path: string; readonly reason: string }[],
): Program {
  if (program.analysis === undefined || unread.length === 0) return program;
  const sites = unread.map(({ path, reason }): UnresolvedSite => ({
    object: path,
    function: null,
    address: 0,
    kind: 'object',
    reason,
    phases: phases.map((_, index) => index),
  }));
  return {
    ...program,
    analysis: { ...program.analysis, unresolved: [...program.analysis.unresolved, ...sites] },
  };
}
