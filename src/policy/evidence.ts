import { isUnderProgram, phaseLives, rebornProcesses, type PhaseLives } from './lives.ts';
import { callKey } from './call-label.ts';
import type { ArgumentValues, Call, Process, Profile } from '../profile/model.ts';

/** Calls by which a process starts another. */
const FORKS: readonly (string | null)[] = ['fork', 'vfork', 'clone', 'clone3'];

/** All that profiles say about one call in one set. */
export interface Evidence {
  readonly call: Pick<Call, 'arch' | 'nr' | 'name'>;
  /** Every use that speaks for it; their selecting arguments are to be united. */
  readonly uses: readonly Call[];
  /** Runs in which it was seen. */
  readonly runs: ReadonlySet<number>;
  /** First phase from which on it was seen by a process in its own time; null if only children need it, see below. */
  readonly own: number | null;
  /** Paths of the programs of children, born in the phase or later, that were seen to make it. */
  readonly children: ReadonlySet<string>;
  /** The same for children that were born earlier and may be born again. */
  readonly reborn: ReadonlySet<string>;
  /** Whether it may have been in progress when a process entered the phase: it is made again then, under the new filter. */
  readonly pending: boolean;
  /** Paths of the programs that may make it by their code. */
  readonly possible: ReadonlySet<string>;
  /** Whether another tool says so. */
  readonly imported: boolean;
}

/** Which set is asked for. */
export interface Scope {
  readonly phase: number;
  /** Index into `programs`, null for the whole tree. */
  readonly program: number | null;
  /** Whether children that were forked before the phase may be forked again in it. */
  readonly respawn: boolean;
  /** Runs that say nothing about phases. */
  readonly unphased: ReadonlySet<number>;
}

/** The set of a scope: its evidence by call, and the runs that could have shown any. */
export interface ScopeEvidence {
  readonly calls: readonly Evidence[];
  readonly runs: ReadonlySet<number>;
  /** Whether a process of the scope had more than one thread; where no process was seen, whether one could. */
  readonly hasThreads: boolean;
}

/**
 * What processes need from a phase on: their own use from then on, what they waited in at that moment, plus all use by descendants
 * born from then on.
 *
 * A filter can only be tightened, and it is inherited: a child that is born when the filter of a phase is in force sets
 * itself up under that filter.
 */
export function gatherEvidence(profile: Profile, scope: Scope): ScopeEvidence {
  const lives = phaseLives(profile, scope.phase);
  const reborn = scope.respawn ? rebornProcesses(profile, lives) : new Set<number>();
  const forkers = new Set(
    [...reborn]
      .flatMap((index) => profile.processes[index]?.parent ?? [])
      .filter((parent) => !reborn.has(parent)),
  );
  const gathered = new Gathering();
  const runs = new Set<number>();
  const programs = new Set<number>();
  let hasThreads = false;
  for (const [index, process] of profile.processes.entries()) {
    const isIn = (lives.entersAt[index] ?? Infinity) !== Infinity || reborn.has(index);
    if (!isIn || !isInScope(profile, lives, reborn, index, scope)) continue;
    runs.add(process.run);
    hasThreads ||= process.threads.length > 0;
    if (process.program !== null) programs.add(process.program);
    addProcess(gathered, profile, process, index, { lives, reborn, forkers, scope });
  }
  const isStatic = profile.processes.length === 0;
  // No run shows what it executes: it may be any other program that is known, which begins its life under the filter.
  const mayExecute = isStatic && scope.program !== null && executes(profile, scope.program, scope.phase);
  for (const [index, program] of profile.programs.entries()) {
    const ran = profile.processes.some((process) => process.program === index);
    const isIn =
      scope.program === null ? isStatic || !ran || programs.has(index) : mayExecute || programs.has(index);
    if (!isIn && scope.program !== index) continue;
    for (const call of program.calls) {
      const isFromStart = mayExecute && index !== scope.program;
      if (isFromStart || call.phases.some((phase) => phase >= scope.phase))
        gathered.addProgramCall(call, program.path);
    }
  }
  const calls = gathered.list();
  hasThreads ||= isStatic && calls.some(({ call }) => call.name === 'clone' || call.name === 'clone3');
  return { calls, runs, hasThreads };
}

function executes(profile: Profile, program: number, from: number): boolean {
  const calls = profile.programs[program]?.calls ?? [];
  return calls.some(
    ({ name, phases }) => (name === 'execve' || name === 'execveat') && phases.some((phase) => phase >= from),
  );
}

interface Context {
  readonly lives: PhaseLives;
  readonly reborn: ReadonlySet<number>;
  /** Who forks the first of those that may be born again. */
  readonly forkers: ReadonlySet<number>;
  readonly scope: Scope;
}

function isInScope(
  profile: Profile,
  lives: PhaseLives,
  reborn: ReadonlySet<number>,
  index: number,
  { program }: Scope,
): boolean {
  if (program === null || isUnderProgram(profile, lives, index, program)) return true;
  // What is born again is born of whoever forked it, so all programs above hold it.
  for (let at: number | null = index; at !== null && reborn.has(index);) {
    const process: Process | undefined = profile.processes[at];
    if (process?.program === program) return true;
    at = process?.parent ?? null;
  }
  return false;
}

function addProcess(
  gathered: Gathering,
  profile: Profile,
  process: Process,
  index: number,
  { lives, reborn, forkers, scope }: Context,
): void {
  const enters = lives.entersAt[index] ?? Infinity;
  const isBorn = enters === -Infinity;
  const path =
    process.program === null ? 'a program' : (profile.programs[process.program]?.path ?? 'a program');
  const isChild = isBorn && process.parent !== null && scope.phase > 0 && !scope.unphased.has(process.run);
  const mayForkAgain = forkers.has(index);
  for (const call of process.calls) {
    const isFromNowOn = isBorn || (enters !== Infinity && call.phases.some((phase) => phase >= scope.phase));
    if (isFromNowOn) {
      gathered.addUse(
        usesFrom(call, enters),
        process.run,
        isChild ? { kind: 'child', path } : { kind: 'own' },
        scope.phase,
      );
    } else if (mayBeInProgress(call, enters)) {
      gathered.addUse(call, process.run, { kind: 'pending' }, scope.phase);
    } else if (reborn.has(index) || (mayForkAgain && FORKS.includes(call.name))) {
      gathered.addUse(call, process.run, { kind: 'reborn', path }, scope.phase);
    }
  }
}

/**
 * Whether a thread may have stood in this call at a time although all uses began before: to give it the new filter interrupts
 * it, and signals may at any time. A profile has the time that all uses waited, no less than the last one did.
 */
function mayBeInProgress({ last, waits }: Call, at: number): boolean {
  return last !== null && waits !== undefined && Number.isFinite(at) && last < at && last + waits.total >= at;
}

/** The call with those values of its selecting arguments that were used at this time or later, or waited in then. */
function usesFrom(call: Call, from: number): Call {
  if (call.args === undefined || from === -Infinity) return call;
  return {
    ...call,
    args: call.args.map((argument) => valuesFrom(argument, from - (call.waits?.total ?? 0))),
  };
}

function valuesFrom(argument: ArgumentValues, from: number): ArgumentValues {
  const { index, name, values, uses } = argument;
  if (values === 'any' || uses === undefined) return argument;
  const kept = [...values.keys()].filter((place) => (uses[place]?.[1] ?? Infinity) >= from);
  // A use whose value could not be read leaves none behind: then what came before is all that is known.
  if (kept.length === 0) return argument;
  return {
    index,
    name,
    values: kept.flatMap((place) => values[place] ?? []),
    uses: kept.flatMap((place) => (uses[place] === undefined ? [] : [uses[place]])),
  };
}

type User =
  | { readonly kind: 'own' | 'pending' }
  | { readonly kind: 'child' | 'reborn'; readonly path: string };

interface Slot {
  readonly call: Call;
  readonly uses: Call[];
  readonly runs: Set<number>;
  own: number | null;
  readonly children: Set<string>;
  readonly reborn: Set<string>;
  pending: boolean;
  readonly possible: Set<string>;
  imported: boolean;
}

class Gathering {
  readonly #slots: Map<string, Slot> = new Map();

  addUse(call: Call, run: number, user: User, phase: number): void {
    const slot = this.#slot(call);
    slot.uses.push(call);
    if (call.origin === 'imported') slot.imported = true;
    else slot.runs.add(run);
    if (user.kind === 'child') slot.children.add(user.path);
    else if (user.kind === 'reborn') slot.reborn.add(user.path);
    else if (user.kind === 'pending') slot.pending = true;
    else {
      const since = Math.max(phase, Math.min(...call.phases));
      slot.own = slot.own === null ? since : Math.min(slot.own, since);
    }
  }

  addProgramCall(call: Call, path: string): void {
    const slot = this.#slot(call);
    slot.uses.push(call);
    if (call.origin === 'possible') slot.possible.add(path);
    else slot.imported = true;
  }

  list(): readonly Evidence[] {
    return [...this.#slots.values()];
  }

  #slot(call: Call): Slot {
    const key = callKey(call);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const fresh: Slot = {
      call,
      uses: [],
      runs: new Set(),
      own: null,
      children: new Set(),
      reborn: new Set(),
      pending: false,
      possible: new Set(),
      imported: false,
    };
    this.#slots.set(key, fresh);
    return fresh;
  }
}
