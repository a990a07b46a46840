import type { Call, Process, Profile } from '../../profile/model.ts';

/** What runs did although the analysis held it for impossible. */
export interface CallComparison {
  /** Path of the program, as the profiles name it. */
  readonly program: string;
  /** Phase of both profiles, or null for all phases together. */
  readonly phase: string | null;
  /** Distinct calls that were seen. */
  readonly observed: number;
  /** Distinct calls that are possible. */
  readonly possible: number;
  /** Calls that were seen and are not possible, `NAME`, or `ARCH:NAME` for other arches than the program's first. */
  readonly missed: readonly string[];
}

/**
 * Holds the observed calls of one program against its possible ones, for all phases together and for each phase that both have.
 *
 * Only processes while they run that program count, and not the execve by which the launcher started it. In a phase, what is
 * possible must hold what was observed in that phase; a program that is executed when the phase has begun is at its own beginning.
 *
 * @param program path as both profiles name it: the file itself, not a link to it
 */
export function compareCalls(
  observed: Profile,
  possible: Profile,
  program: string,
): readonly CallComparison[] {
  const own = observed.processes.filter((process) => runs(observed, process, program));
  const allowed = possible.programs.filter(({ path }) => path === program).flatMap(({ calls }) => calls);
  const shared = observed.phases.filter(({ name }) => possible.phases.some((other) => other.name === name));
  return [null, ...(shared.length > 1 ? shared.map(({ name }) => name) : [])].map((phase) => {
    const index = observed.phases.findIndex(({ name }) => name === phase);
    const seen = keysOf(
      own.filter((process) => index <= 0 || !beginsIn(process, index)).flatMap(({ calls }) => calls),
      observed,
      phase,
    );
    const can = keysOf(allowed, possible, phase);
    const missed = [...seen].filter(([key]) => !can.has(key)).map(([, label]) => label);
    return { program, phase, observed: seen.size, possible: can.size, missed: missed.sort() };
  });
}

function beginsIn({ birth, transitions }: Process, phase: number): boolean {
  return birth === 'exec' && (transitions[0]?.phase ?? 0) >= phase;
}

function runs(profile: Profile, process: Process, program: string): boolean {
  return process.program !== null && profile.programs[process.program]?.path === program;
}

function keysOf(
  calls: readonly Call[],
  { phases }: Profile,
  phase: string | null,
): ReadonlyMap<string, string> {
  const index = phases.findIndex(({ name }) => name === phase);
  return new Map(
    calls
      .filter((call) => call.launch !== true && (phase === null || call.phases.includes(index)))
      .map(({ arch, nr, name }) => {
        const label = name ?? `${nr}`;
        return [`${arch}:${nr}`, arch === 'x86_64' ? label : `${arch}:${label}`];
      }),
  );
}
