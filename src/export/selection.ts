import type { Arch } from '../abi/arch.ts';
import { syscalls, type Syscall } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import { callKey } from '../policy/call-label.ts';
import type { Action } from '../policy/filter/action.ts';
import { isNamed } from '../profile/program-names.ts';
import type { Policy, PolicyCall, PolicyPhase, ProgramSet } from '../policy/model.ts';
import { violationAction } from '../policy/violation.ts';

/** What a policy can say about calls that are not allowed. */
export type Violation = Extract<Action, { kind: 'kill_process' | 'trap' | 'errno' | 'log' }>;

/** What to export. */
export interface SelectionOptions {
  /** Name of a phase; the first one unless given. */
  readonly phase?: string | undefined;
  /** Path of a program, or the last part of one, for its own set; the set of the whole tree unless given. */
  readonly program?: string | undefined;
}

/** The set of one phase, or of one program in it, ready to be written. */
export interface Selection {
  readonly policy: Policy;
  readonly phase: PolicyPhase;
  readonly program: ProgramSet | null;
  /** In the order of the policy: the machine's own first. */
  readonly arches: readonly SelectedArch[];
  /** What happens to known calls that are not allowed. */
  readonly violation: Violation;
}

/** The calls of one arch; each number is in one list at most. */
export interface SelectedArch {
  readonly arch: Arch;
  /** Highest number that the policy knows; calls above that are not listed fail with ENOSYS. */
  readonly newest: number;
  readonly allowed: readonly PolicyCall[];
  /** Fail with ENOSYS. */
  readonly enosys: readonly PolicyCall[];
  /** Calls above `newest` that have a name by now, for formats without ranges; they fail with ENOSYS too. */
  readonly newer: readonly Syscall[];
}

/**
 * Picks the set to export.
 *
 * The first phase holds the sets of all later ones, so it is right for whoever cannot switch.
 *
 * @throws UsageError if there is no such phase or program
 */
export function selectSet(policy: Policy, options: SelectionOptions = {}): Selection {
  const phase =
    options.phase === undefined ? policy.phases[0] : policy.phases.find(({ name }) => name === options.phase);
  if (phase === undefined) {
    throw new UsageError(
      `phase: no such phase, ${JSON.stringify(options.phase)} (the policy has ${policy.phases.map(({ name }) => name).join(', ')})`,
    );
  }
  const program = options.program === undefined ? null : programNamed(phase, options.program);
  const calls = program?.calls ?? phase.calls;
  const violation = violationOf(policy);
  return {
    policy,
    phase,
    program,
    arches: policy.arches.map(({ arch, newest }) =>
      selectArch(policy, calls, arch, newest, violation.kind === 'log'),
    ),
    violation,
  };
}

/** Lines that say where a document comes from, without anything that could end a comment. */
export function describeSelection({ policy, phase, program }: Selection): readonly string[] {
  const commands = [...new Set(policy.sources.map(({ command }) => command.join(' ')))];
  return [
    'Written by callgate export.',
    ...commands.map((command) => `Policy made from: ${command}`),
    policy.phases.length === 1
      ? 'One phase, for the whole life.'
      : `Phase: ${phase.name} of ${policy.phases.map(({ name }) => name).join(', ')}`,
    ...(program === null ? [] : [`Program: ${program.path}`]),
  ].map((line) => harmless(line));
}

/** Names of the calls that have one, sorted, each once. */
export function namesOf(calls: readonly { readonly name: string | null }[]): readonly string[] {
  return [...new Set(calls.flatMap(({ name }) => name ?? []))].sort();
}

function selectArch(
  policy: Policy,
  calls: readonly PolicyCall[],
  arch: Arch,
  newest: number,
  isRehearsal: boolean,
): SelectedArch {
  const allowed = calls.filter((call) => call.arch === arch);
  // Nothing is blocked in a rehearsal, so nothing fails.
  if (isRehearsal) return { arch, newest, allowed, enosys: [], newer: [] };
  const listed = new Set(allowed.map(callKey));
  const enosys = policy.enosys.filter((call) => call.arch === arch && !listed.has(callKey(call)));
  for (const call of enosys) listed.add(callKey(call));
  const newer = syscalls(arch).filter(
    ({ nr, since }) => nr > newest && since !== null && !listed.has(callKey({ arch, nr })),
  );
  return { arch, newest, allowed, enosys, newer };
}

function violationOf({ onViolation }: Policy): Violation {
  const action = violationAction(onViolation);
  return action?.kind === 'errno' || action?.kind === 'trap' || action?.kind === 'log'
    ? action
    : { kind: 'kill_process' };
}

function programNamed(phase: PolicyPhase, wanted: string): ProgramSet {
  const found = phase.programs.filter(({ path }) => isNamed(path, wanted));
  if (found.length === 1) return found[0]!;
  const paths = (found.length === 0 ? phase.programs : found).map(({ path }) => onOneLine(path)).join(', ');
  throw new UsageError(
    found.length === 0
      ? `program: no set of its own in phase ${phase.name}, ${JSON.stringify(wanted)} (there are ${paths === '' ? 'none' : paths})`
      : `program: more than one of that name, ${JSON.stringify(wanted)} (${paths})`,
  );
}

/** A path for a message: a program may have any name. */
function onOneLine(path: string): string {
  return JSON.stringify(path).slice(1, -1);
}

/** Printable ASCII, 200 characters at most, without the end of a C comment and without `\` at the end of a line. */
function harmless(line: string): string {
  const text = line
    .replace(/[^\x20-\x7e]/g, '?')
    .replaceAll('*/', '*?')
    .replaceAll('/*', '?*')
    .replaceAll('\\', '?');
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}
