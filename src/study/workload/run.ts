import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../../base/directories.ts';
import { UsageError } from '../../base/errors.ts';
import { WorkloadError } from './error.ts';
import type {
  CaseResult,
  ExpectedExit,
  Runner,
  StepResult,
  Workload,
  WorkloadCase,
  WorkloadResult,
  WorkloadStep,
} from './model.ts';
import { fillPlaceholders, type PlaceholderValues } from './placeholders.ts';
import { reservePorts } from './port.ts';
import { createScratch, endLeftovers } from './scratch.ts';
import { startServer, type RunningServer } from './server.ts';
import { writeSignaller } from './signaller.ts';
import { startShell, tailOf, type Surroundings } from './shell.ts';
import { createStarter, type Starter } from './wrapper.ts';

/** Milliseconds for a step without a tool, on a machine that has other things to do as well. */
const STEP_LIMIT = 30_000;
const PRINTED_CAP = 2000;

export interface WorkloadOptions {
  /** Folder for what the runner writes; it is made, and not emptied. */
  readonly output: string;
  /** Names of the cases to run; all of them if left out. */
  readonly cases?: readonly string[];
  /**
   * `each`: a server of its own for every case, so that cases are independent of each other; `shared`: one for all cases
   * that follow each other and name the same. `each` if left out.
   */
  readonly servers?: 'each' | 'shared';
  /** Called after each case. */
  readonly onCase?: (result: CaseResult) => void;
  /** Ends the run after the case that is under way. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the cases of a workload one after the other, in a scratch directory of their own that is gone afterwards.
 *
 * What the program does, wrong exit codes, servers that do not start and denied calls included, is data: the
 * result's `failures`.
 *
 * @throws UsageError for a case that there is not; WorkloadError if the program or a port is missing or the set-up fails
 */
export async function runWorkload(
  workload: Workload,
  runner: Runner,
  options: WorkloadOptions,
): Promise<WorkloadResult> {
  const began = process.hrtime.bigint();
  const cases = chooseCases(workload, options.cases);
  checkProgram(workload);
  makeDirectories(options.output);
  const { ports, release } = await reservePorts(workload.ports);
  using scratch = createScratch(workload.name);
  const plain = new Map<string, string>([
    ['program', workload.program],
    ['scratch', scratch.path],
    ['signal', writeSignaller(scratch.path, workload.program)],
    ...[...ports].map(([name, port]) => [name, `${port}`] as const),
  ]);
  const at: Surroundings = { directory: scratch.path, environment: environmentOf(workload, plain) };
  const session = new Session(workload, runner, options, at, plain);
  try {
    await session.prepare();
    const results: CaseResult[] = [];
    for (const entry of cases) {
      if (options.signal?.aborted === true) break;
      const result = await session.runCase(entry);
      results.push(result);
      options.onCase?.(result);
    }
    const { failures, files } = await session.finish();
    return {
      name: workload.name,
      program: workload.program,
      runner: runner.name,
      cases: results,
      failures,
      files,
      duration: Number(process.hrtime.bigint() - began),
    };
  } finally {
    release();
  }
}

/** What went wrong in all of it, one line each that names the case. */
export function workloadFailures(result: WorkloadResult): readonly string[] {
  return [
    ...result.cases.flatMap(({ name, failures }) =>
      failures.map((failure) => `${result.name}, case ${name}: ${failure}`),
    ),
    ...result.failures.map((failure) => `${result.name}: ${failure}`),
  ];
}

/** All files that the runner wrote. */
export function workloadFiles(result: WorkloadResult): readonly string[] {
  return [...result.cases.flatMap(({ files }) => files), ...result.files];
}

/** A server that several cases share, with what it is started by. */
interface SharedServer {
  readonly name: string;
  readonly starter: Starter;
  readonly running: RunningServer;
}

class Session {
  readonly #workload: Workload;
  readonly #runner: Runner;
  readonly #options: WorkloadOptions;
  readonly #at: Surroundings;
  readonly #plain: PlaceholderValues;
  readonly #failures: string[] = [];
  readonly #files: string[] = [];
  #shared: SharedServer | null = null;
  #sharedCount = 0;

  constructor(
    workload: Workload,
    runner: Runner,
    options: WorkloadOptions,
    at: Surroundings,
    plain: PlaceholderValues,
  ) {
    this.#workload = workload;
    this.#runner = runner;
    this.#options = options;
    this.#at = at;
    this.#plain = plain;
  }

  async prepare(): Promise<void> {
    if (this.#workload.setup === '') return;
    const { exit, printed } = await this.#shell(this.#workload.setup, this.#plain, STEP_LIMIT);
    if (exit === 0) return;
    const how = exit === null ? `takes too long (${STEP_LIMIT} ms)` : `ended with ${exit}`;
    throw new WorkloadError(`workload ${this.#workload.name}: set-up ${how}: ${printed.trim()}`);
  }

  async runCase(entry: WorkloadCase): Promise<CaseResult> {
    const { name, kind } = entry;
    const skipped = this.#reasonToSkip(entry);
    if (skipped !== null) {
      return { name, kind, skipped, steps: [], failures: [], duration: 0, files: [] };
    }
    const began = process.hrtime.bigint();
    const starter = this.#starter(name);
    const values = new Map([...this.#plain, ['program', starter.path]]);
    const failures: string[] = [];
    if (this.#shared !== null && this.#shared.name !== entry.server) await this.#endShared();
    if (entry.setup !== '') {
      const { exit, printed } = await this.#shell(entry.setup, this.#plain, STEP_LIMIT);
      if (exit !== 0) failures.push(`set-up ended with ${exit}: ${printed.trim()}`);
    }
    const own = await this.#serve(entry, values);
    const steps: StepResult[] = [];
    for (const step of entry.steps) {
      const result = await this.#runStep(step, values);
      steps.push(result);
      failures.push(...failuresOf(step, result));
    }
    if (own !== null) failures.push(...(await own.stop()));
    if (this.#shared === null) failures.push(...(await endLeftovers(this.#at.directory)));
    failures.push(...starter.problems());
    const duration = Number(process.hrtime.bigint() - began);
    return { name, kind, skipped: null, steps, failures, duration, files: starter.files() };
  }

  async finish(): Promise<Pick<WorkloadResult, 'failures' | 'files'>> {
    await this.#endShared();
    return { failures: this.#failures, files: this.#files };
  }

  #reasonToSkip({ needs, unfit }: WorkloadCase): string | null {
    if (needs.includes('root') && process.getuid?.() !== 0) return 'needs root';
    return unfit.includes(this.#runner.name) ? `does not work under ${this.#runner.name}` : null;
  }

  #starter(label: string): Starter {
    const { program } = this.#workload;
    return createStarter(program, this.#runner, {
      scratch: this.#at.directory,
      output: this.#options.output,
      label,
    });
  }

  /** The case's own server, or null if it shares one or has none. */
  async #serve({ server: name }: WorkloadCase, values: PlaceholderValues): Promise<RunningServer | null> {
    const server = this.#workload.servers.find((candidate) => candidate.name === name);
    if (server === undefined) return null;
    if (this.#options.servers !== 'shared') {
      return startServer(server, values, this.#at, this.#limit);
    }
    if (this.#shared === null) {
      this.#sharedCount++;
      const starter = this.#starter(`server-${server.name}-${this.#sharedCount}`);
      const own = new Map([...this.#plain, ['program', starter.path]]);
      const running = await startServer(server, own, this.#at, this.#limit);
      this.#shared = { name: server.name, starter, running };
    }
    return null;
  }

  async #endShared(): Promise<void> {
    if (this.#shared === null) return;
    const { starter, running } = this.#shared;
    this.#shared = null;
    this.#failures.push(...(await running.stop()), ...starter.problems());
    this.#files.push(...starter.files());
  }

  async #runStep(step: WorkloadStep, values: PlaceholderValues): Promise<StepResult> {
    const { exit, duration, printed } = await this.#shell(step.run, values, this.#limit);
    return { run: step.run, exit, expected: step.exit, duration, printed };
  }

  async #shell(
    script: string,
    values: PlaceholderValues,
    limit: number,
  ): Promise<{ exit: number | null; duration: number; printed: string }> {
    const log = join(this.#at.directory, 'step.log');
    const { exit, duration } = await startShell(fillPlaceholders(script, values), this.#at, log, limit).ended;
    return { exit, duration, printed: tailOf(log, PRINTED_CAP) };
  }

  get #limit(): number {
    return STEP_LIMIT * this.#runner.patience;
  }
}

function chooseCases(
  { name, cases }: Workload,
  wanted: readonly string[] | undefined,
): readonly WorkloadCase[] {
  if (wanted === undefined) return cases;
  for (const one of wanted) {
    if (cases.some((entry) => entry.name === one)) continue;
    const known = cases.map((entry) => entry.name).join(', ');
    throw new UsageError(`workload ${name}: no case, ${JSON.stringify(one)} (${known})`);
  }
  return cases.filter((entry) => wanted.includes(entry.name));
}

function checkProgram({ name, program, packages }: Workload): void {
  try {
    accessSync(program, constants.X_OK);
  } catch {
    throw new WorkloadError(
      `workload ${name}: no program, ${program} (Debian packages ${packages.join(', ')})`,
    );
  }
}

/** The same everywhere, so that a workload does the same everywhere. */
function environmentOf(
  { environment }: Workload,
  values: PlaceholderValues,
): Readonly<Record<string, string>> {
  const fixed = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '${scratch}/home',
    TMPDIR: '${scratch}/tmp',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    TERM: 'xterm',
  };
  return Object.fromEntries(
    Object.entries({ ...fixed, ...environment }).map(([name, text]) => [
      name,
      fillPlaceholders(text, values),
    ]),
  );
}

function failuresOf(
  { output }: WorkloadStep,
  { run, exit, expected, printed }: StepResult,
): readonly string[] {
  const what = JSON.stringify(run.trim().split('\n')[0]?.slice(0, 80) ?? '');
  const said = printed.trim() === '' ? '' : `: ${printed.trim().slice(-400)}`;
  if (exit === null) return [`step ${what} takes too long${said}`];
  if (!isExpected(exit, expected)) {
    return [`step ${what} ended with ${exit} (${(expected as readonly number[]).join(', ')})${said}`];
  }
  if (output !== null && !new RegExp(output, 'mu').test(printed)) {
    return [`step ${what} did not print ${JSON.stringify(output)}${said}`];
  }
  return [];
}

function isExpected(exit: number, expected: ExpectedExit): boolean {
  return expected === 'any' || expected.includes(exit);
}
