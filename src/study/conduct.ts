import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { makeDirectories } from '../base/directories.ts';
import { CallgateError } from '../base/errors.ts';
import { buildId } from '../elf/note.ts';
import { parseElf } from '../elf/header.ts';
import type { Experiment, MethodSpec, StudiedProgram } from './experiment.ts';
import { Ledger, runKey, type StudyRun } from './ledger.ts';
import { TIME } from './measure.ts';
import { runMethod } from './methods/methods.ts';
import { loadWorkload } from './workload/load.ts';
import type { Workload } from './workload/model.ts';

/** A study cannot be conducted: something that it needs is missing. What methods do is data. */
export class StudyError extends CallgateError {
  readonly code = 'ERR_STUDY';
}

export interface ConductOptions {
  /** Folder of the raw data; what it holds already is not run again. */
  readonly data: string;
  /** Path of the `callgate` command. */
  readonly callgate: string;
  /** What tells this build of callgate from others: with another one everything is run again. */
  readonly build: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** What is about to be run. */
export interface StudyProgress {
  readonly program: string;
  readonly method: string;
  /** From 0. */
  readonly repetition: number;
  /** Runs that are done, and all of them. */
  readonly done: number;
  readonly total: number;
}

/** What is studied, for readers who want to have the same. */
export interface ProgramFacts {
  readonly name: string;
  readonly path: string;
  /** Debian package and version of the file; null where it comes from none. */
  readonly version: string | null;
  /** Debian packages that the workload needs. */
  readonly packages: readonly string[];
  /** Cases of the workload: those that everybody runs, and all. */
  readonly cases: { readonly benchmark: number; readonly all: number };
}

/** All that a study knows, from now or earlier. */
export interface StudyData {
  readonly experiment: Experiment;
  readonly programs: readonly ProgramFacts[];
  readonly runs: readonly StudyRun[];
  /** Methods that were left out, and why. */
  readonly missing: ReadonlyMap<string, string>;
  /** Whether every run was made; if not one was, nothing is told of the programs either. */
  readonly isComplete: boolean;
}

/**
 * Runs every method on every program as often as the experiment says, in turns: all of them once, then all of them again, so
 * that whatever else the machine does hits all alike. Runs that the data folder holds already are taken from there.
 *
 * @throws StudyError if a program or GNU time is not installed
 */
export async function conductStudy(experiment: Experiment, options: ConductOptions): Promise<StudyData> {
  if (!existsSync(TIME)) throw new StudyError(`study: no GNU time, ${TIME} (Debian package time)`);
  const ledger = new Ledger(join(options.data, 'runs.jsonl'));
  const programs = experiment.programs.map((program) => prepare(program));
  const missing = new Map<string, string>();
  for (const { name, needs } of experiment.methods) {
    const absent = needs.filter((command) => !isInstalled(command));
    if (absent.length > 0) missing.set(name, `not installed: ${absent.join(', ')}`);
  }
  const known = new Map<string, ReadonlySet<string>>();
  for (const method of experiment.methods) {
    if (method.kind !== 'analyze' && method.kind !== 'trace') continue;
    const own = known.get(method.kind) ?? knownOptions(options.callgate, method.kind);
    // It was interrupted, and so is the study.
    if (own === null) break;
    known.set(method.kind, own);
    const unknown = optionsIn(method.options).filter((option) => !own.has(option));
    if (unknown.length > 0) missing.set(method.name, `callgate ${method.kind} has no ${unknown.join(', ')}`);
  }
  // A signal that came meanwhile is heard only now.
  await setImmediate();
  const plan = planRuns(experiment, programs, missing, options.build);
  const runs: StudyRun[] = [];
  for (const [done, { program, method, repetition, key }] of plan.entries()) {
    const earlier = ledger.get(key);
    if (earlier !== undefined) {
      runs.push(earlier);
      continue;
    }
    if (options.signal.aborted) continue;
    options.onProgress?.({
      program: program.name,
      method: method.name,
      repetition,
      done,
      total: plan.length,
    });
    const folder = join(options.data, 'raw', key.replaceAll('/', '.'));
    rmSync(folder, { recursive: true, force: true });
    makeDirectories(folder);
    const start = new Date().toISOString();
    const { workload } = program;
    const outcome = await runMethod(method, {
      workload,
      callgate: options.callgate,
      folder,
      signal: options.signal,
    });
    // What was cut short is no result.
    if (options.signal.aborted) continue;
    const run = { key, program: program.name, method: method.name, repetition, start, ...outcome };
    ledger.add(run);
    runs.push(run);
  }
  return {
    experiment,
    programs: runs.length === 0 ? [] : describePrograms(programs),
    runs,
    missing,
    isComplete: runs.length === plan.length,
  };
}

interface PreparedProgram {
  readonly name: string;
  readonly workload: Workload;
  /** What would make a run another one: the program's own bytes and the workload. */
  readonly identity: unknown;
}

interface PlannedRun {
  readonly program: PreparedProgram;
  readonly method: MethodSpec;
  readonly repetition: number;
  readonly key: string;
}

function prepare({ name, workload: file }: StudiedProgram): PreparedProgram {
  const workload = loadWorkload(file);
  if (!existsSync(workload.program)) {
    throw new StudyError(
      `study: no program, ${workload.program}${workload.packages.length === 0 ? '' : ` (Debian packages ${workload.packages.join(', ')})`}`,
    );
  }
  return { name, workload, identity: [programIdentity(workload.program), workload] };
}

function describePrograms(programs: readonly PreparedProgram[]): readonly ProgramFacts[] {
  const owners = packagesOf(
    programs.flatMap(({ workload: { program } }) => [program, realpathSync(program)]),
  );
  return programs.map(({ name, workload }) => {
    const { program: path, packages, cases } = workload;
    const owner = owners.get(path) ?? owners.get(realpathSync(path));
    const version = owner === undefined ? null : packageVersion(owner);
    const benchmark = cases.filter(({ kind }) => kind === 'benchmark').length;
    return { name, path, version, packages, cases: { benchmark, all: cases.length } };
  });
}

/** Names of the Debian packages that files belong to; all are asked for at once, for dpkg reads all its lists for each question. */
function packagesOf(files: readonly string[]): ReadonlyMap<string, string> {
  const { stdout } = spawnSync('dpkg-query', ['-S', ...files], { encoding: 'utf8' });
  return new Map(
    (stdout ?? '').split('\n').flatMap((line) => {
      const [, name, file] = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9]+)?: (.*)$/.exec(line) ?? [];
      return name === undefined || file === undefined ? [] : [[file, name] as const];
    }),
  );
}

/** `coreutils 9.1-1`. */
function packageVersion(name: string): string {
  return spawnSync('dpkg-query', ['-W', '-f=${Package} ${Version}', name], { encoding: 'utf8' }).stdout;
}

/** The build-id, or size and time of a file that has none. */
function programIdentity(path: string): unknown {
  try {
    const id = buildId(parseElf(readFileSync(path)));
    if (id !== null) return id;
  } catch {
    // A script, or something that only its interpreter understands.
  }
  const { size, mtimeMs } = statSync(path);
  return [size, mtimeMs];
}

function planRuns(
  { repetitions, methods }: Experiment,
  programs: readonly PreparedProgram[],
  missing: ReadonlyMap<string, string>,
  build: string,
): readonly PlannedRun[] {
  const plan: PlannedRun[] = [];
  const timesOf = (method: MethodSpec): number => Math.min(repetitions, method.repetitions ?? repetitions);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const program of programs) {
      for (const method of methods.filter((each) => !missing.has(each.name) && repetition < timesOf(each))) {
        const { title: _title, repetitions: _often, setup: _setup, needs: _needs, ...what } = method;
        const key = runKey(program.name, method.name, repetition, [build, what, program.identity]);
        plan.push({ program, method, repetition, key });
      }
    }
  }
  return plan;
}

function optionsIn(words: readonly string[]): readonly string[] {
  return words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? []);
}

/**
 * Options that a command of callgate lists in its help: an experiment may be younger than what it is run with. Null if a signal
 * has ended it.
 *
 * @throws StudyError if it gives no help
 */
function knownOptions(callgate: string, command: string): ReadonlySet<string> | null {
  const { stdout, status, signal } = spawnSync(callgate, [command, '--help'], { encoding: 'utf8' });
  if (signal !== null) return null;
  if (status !== 0) throw new StudyError(`study: ${callgate} ${command} --help failed (exit code ${status})`);
  return new Set(stdout.match(/--[a-z][a-z-]*/g) ?? []);
}

function isInstalled(command: string): boolean {
  if (command.includes('/')) return existsSync(command);
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}
