import { callKey, type CallIdentity } from './call-label.ts';
import { PolicyError } from './filter/policy-error.ts';
import type { Policy, PolicyCall, PolicyPhase, ProgramSet } from './model.ts';

/** Identity of a program; a null build-id is not known. */
export interface ProgramKey {
  readonly path: string;
  readonly buildId: string | null;
}

/** A set of a policy, with where it stands in the document. */
export interface PlacedSet {
  readonly phase: PolicyPhase;
  /** Null for the set of the whole tree. */
  readonly program: ProgramSet | null;
  readonly calls: readonly PolicyCall[];
  /** JSON pointer to the set. */
  readonly path: string;
}

/** Every set of a policy: phase by phase, the tree's before those of the programs. */
export function policySets(policy: Policy): readonly PlacedSet[] {
  return policy.phases.flatMap((phase, index) => [
    { phase, program: null, calls: phase.calls, path: `/phases/${index}` },
    ...phase.programs.map((program, at) => ({
      phase,
      program,
      calls: program.calls,
      path: `/phases/${index}/programs/${at}`,
    })),
  ]);
}

/**
 * The set of a phase, by name, for the tree or for one program.
 *
 * @throws PolicyError if the policy has no such phase, or no set for the program in it
 */
export function findSet(policy: Policy, phase: string, program: ProgramKey | null = null): PlacedSet {
  const sets = policySets(policy).filter((set) => set.phase.name === phase);
  if (sets.length === 0) {
    const names = policy.phases.map(({ name }) => name).join(', ');
    throw new PolicyError(`policy: no such phase, ${JSON.stringify(phase)} (it has ${names})`, '/phases');
  }
  const programs = sets.flatMap((set) => (set.program === null ? [] : [{ ...set.program, set }]));
  const found = program === null ? sets[0] : findProgram(programs, program)?.set;
  if (found !== undefined) return found;
  throw new PolicyError(
    `policy: phase ${phase} has no set for the program ${JSON.stringify(program?.path)}`,
    sets[0]?.path ?? '/phases',
  );
}

/**
 * The program of a list that is meant: the very same, else one of the same build-id, whatever link or copy of it has that, else one of
 * the same path where a build-id is not known.
 */
export function findProgram<Program extends ProgramKey>(
  programs: readonly Program[],
  { path, buildId }: ProgramKey,
): Program | undefined {
  const candidates = programs.filter((program) => program.path === path);
  return (
    candidates.find((program) => program.buildId === buildId) ??
    programs.find((program) => buildId !== null && program.buildId === buildId) ??
    candidates.find((program) => buildId === null || program.buildId === null)
  );
}

/** Entries of a set by arch and number. */
export function callsByKey(calls: readonly PolicyCall[]): ReadonlyMap<string, PolicyCall> {
  return new Map(calls.map((call): readonly [string, PolicyCall] => [callKey(call), call]));
}

/** Whether a list has the call. */
export function hasCall(
  calls: readonly CallIdentity[],
  { arch, nr }: Pick<CallIdentity, 'arch' | 'nr'>,
): boolean {
  return calls.some((call) => call.arch === arch && call.nr === nr);
}
