import { syscallNumber } from '../../abi/syscalls.ts';
import type { Birth, Call, Listen, Process, Profile, Program, Run } from '../model.ts';

/** Times in a sample are milliseconds; the profile has them in nanoseconds. */
const MS = 1e6;

/** One process in short: `calls` maps a name to its first and last use, or to all uses of a waiting call. */
export interface SampleProcess {
  readonly pid: number;
  readonly birth?: Birth;
  readonly parent?: number;
  readonly program?: string;
  /** Name by which it was started, if not the path of its program. */
  readonly argv0?: string;
  readonly run?: number;
  readonly start?: number;
  readonly end?: number | null;
  readonly listens?: readonly (readonly [number, string])[];
  readonly calls: Readonly<Record<string, readonly [number, number] | SampleWait>>;
}

/** A waiting call; `count` is only for more uses than are listed. */
export interface SampleWait {
  readonly uses: readonly number[];
  readonly waited: number;
  readonly count?: number;
}

/** A profile with nothing but setup, as a tracer makes it; runs take as long as their last process. */
export function sampleProfile(samples: readonly SampleProcess[]): Profile {
  const paths = [...new Set(samples.flatMap(({ program }) => program ?? []))];
  const runCount = 1 + Math.max(0, ...samples.map(({ run }) => run ?? 0));
  return {
    format: 'callgate-profile',
    version: 1,
    generator: { name: 'callgate', version: '0.0.0' },
    runs: Array.from({ length: runCount }, (_, run) =>
      sampleRun({ duration: MS * Math.max(0, ...samples.filter((s) => (s.run ?? 0) === run).map(lastTime)) }),
    ),
    phases: [{ name: 'setup', trigger: null, source: 'start', reason: null, entered: true }],
    programs: paths.map((path): Program => ({ path, buildId: null, calls: [] })),
    processes: samples.map((sample) => toProcess(sample, paths)),
  };
}

/** A run that is complete, with the given fields. */
export function sampleRun(fields: Partial<Run> = {}): Run {
  return {
    method: 'ptrace',
    command: ['sample'],
    start: '2026-01-02T03:04:05.678Z',
    duration: 0,
    complete: true,
    incomplete: [],
    lost: 0,
    warnings: [],
    host: { kernel: '6.18.0', arch: 'x86_64', libc: 'glibc 2.36', distribution: null },
    ...fields,
  };
}

/** A call without times, as it is known of a program. */
export function sampleCall(nr: number, name: string, fields: Partial<Call> = {}): Call {
  const none = { count: null, first: null, last: null };
  return { arch: 'x86_64', nr, name, origin: 'possible', ...none, phases: [0], ...fields };
}

function toProcess(sample: SampleProcess, paths: readonly string[]): Process {
  const { pid, birth = 'start', parent = null, program, run = 0, start = 0, listens = [], calls } = sample;
  const end = sample.end === null ? null : lastTime(sample) * MS;
  return {
    run,
    pid,
    birth,
    parent,
    program: program === undefined ? null : paths.indexOf(program),
    argv: birth === 'start' ? [sample.argv0 ?? program ?? 'sample'] : null,
    start: start * MS,
    end,
    exit: end === null ? null : { kind: 'exited', code: 0 },
    threads: [],
    transitions: [{ phase: 0, at: start * MS }],
    listens: listens.map(([at, address]): Listen => ({ at: at * MS, address })),
    calls: Object.entries(calls)
      .map(([name, use]) => toCall(name, use))
      .sort((a, b) => a.nr - b.nr),
  };
}

function toCall(name: string, use: readonly [number, number] | SampleWait): Call {
  const nr = syscallNumber('x86_64', name);
  if (nr === null) throw new TypeError(`sample: no system call is called ${name}`);
  const common = { arch: 'x86_64' as const, nr, name, origin: 'observed' as const, phases: [0] };
  if (!('uses' in use)) {
    const [first, last] = use;
    return { ...common, count: first === last ? 1 : 2, first: first * MS, last: last * MS };
  }
  const uses = use.uses.map((at) => at * MS);
  const count = use.count ?? uses.length;
  const waits = { uses, total: use.waited * MS };
  return { ...common, count, first: uses[0] ?? 0, last: uses.at(-1) ?? 0, waits };
}

function lastTime({ start = 0, end, calls }: SampleProcess): number {
  const uses = Object.values(calls).flatMap((use) => ('uses' in use ? use.uses : use));
  return end ?? Math.max(start, ...uses);
}
