import { coversRules, freeBits, isOpen, UPPER_HALF } from './argument-rules.ts';
import { formatConstant } from './argument-constants.ts';
import { callKey, formatLabel } from './call-label.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from './model.ts';
import { callsByKey, hasCall, findProgram, type ProgramKey } from './policy-sets.ts';

/** `opened`: more is let through than before, or may be; `closed`: less; `changed`: neither. */
export type ChangeKind = 'opened' | 'closed' | 'changed';

/** One thing in which two policies differ. */
export interface PolicyChange {
  readonly kind: ChangeKind;
  /** Phase that it is about; null for the policy as a whole. */
  readonly phase: string | null;
  /** Path of the program whose set it is about; null for the tree. */
  readonly program: string | null;
  /** Label of the call, or null. */
  readonly call: string | null;
  readonly detail: string;
}

/**
 * What the second policy opens and closes, compared with the first.
 *
 * A program without a set of its own is held by that of the tree, and where a phase is gone, what is before it holds on. What
 * may open something, as a phase that perhaps begins later, counts as opened. Where entries come from makes no difference.
 */
export function diffPolicies(before: Policy, after: Policy): readonly PolicyChange[] {
  return [
    ...diffActions(before, after),
    ...diffArches(before, after),
    ...diffMissing(before, after),
    ...diffPhases(before, after),
  ];
}

function diffActions(before: Policy, after: Policy): readonly PolicyChange[] {
  if (before.onViolation === after.onViolation) return [];
  const kind = after.onViolation === 'log' ? 'opened' : before.onViolation === 'log' ? 'closed' : 'changed';
  return [whole(kind, null, `onViolation was ${before.onViolation}, is ${after.onViolation}`)];
}

function diffArches(before: Policy, after: Policy): readonly PolicyChange[] {
  const has = (policy: Policy, wanted: string): boolean => policy.arches.some(({ arch }) => arch === wanted);
  return [
    ...after.arches
      .filter(({ arch }) => !has(before, arch))
      .map(({ arch }) => whole('opened', null, `calls of ${arch} are looked up, they killed the process`)),
    ...before.arches
      .filter(({ arch }) => !has(after, arch))
      .map(({ arch }) => whole('closed', null, `calls of ${arch} kill the process, they were looked up`)),
    ...after.arches.flatMap(({ arch, newest }) => {
      const was = before.arches.find((each) => each.arch === arch)?.newest ?? newest;
      return was === newest
        ? []
        : [whole('changed', null, `newest number known of ${arch} was ${was}, is ${newest}`)];
    }),
  ];
}

function diffMissing(before: Policy, after: Policy): readonly PolicyChange[] {
  return [
    ...after.enosys
      .filter((call) => !hasCall(before.enosys, call))
      .map((call) =>
        whole('changed', labelOf(call, after), `gives ENOSYS where it is denied, was ${before.onViolation}`),
      ),
    ...before.enosys
      .filter((call) => !hasCall(after.enosys, call))
      .map((call) =>
        whole('changed', labelOf(call, after), `gives ${after.onViolation} where it is denied, was ENOSYS`),
      ),
  ];
}

function diffPhases(before: Policy, after: Policy): readonly PolicyChange[] {
  const pairs = pairPhases(before.phases, after.phases);
  const gone = before.phases.flatMap((phase, index) => {
    if (pairs.some(({ was }) => was === phase)) return [];
    const instead = holderOf(index, before.phases, after.phases, ({ was, is }) => [was, is], pairs);
    return diffGone(phase, instead, after);
  });
  const rest = after.phases.flatMap((phase, index) => {
    const was = pairs.find(({ is }) => is === phase)?.was;
    if (was !== undefined) {
      return [...diffBeginning(was, phase, before, after, pairs), ...diffSets(was, phase, after, phase.name)];
    }
    const held = holderOf(index, after.phases, before.phases, ({ was: old, is }) => [is, old], pairs);
    return [
      about('changed', phase.name, 'this phase is new'),
      ...(held === undefined ? [] : diffSets(held, phase, after, phase.name)),
    ];
  });
  return [...gone, ...rest];
}

/** A phase of the first policy and the one of the second that stands in its place. */
interface PhasePair {
  readonly was: PolicyPhase;
  readonly is: PolicyPhase;
}

/** Phases of the same name, and of the others those that come after the same phase, in their order: they were renamed. */
function pairPhases(before: readonly PolicyPhase[], after: readonly PolicyPhase[]): readonly PhasePair[] {
  const named = before.flatMap((was) => {
    const is = after.find(({ name }) => name === was.name);
    return is === undefined ? [] : [{ was, is }];
  });
  const left = leftByPlace(before, named);
  const renamed = [...leftByPlace(after, named)].flatMap(([place, phases]) =>
    phases.flatMap((is, index) => {
      const was = left.get(place)?.[index];
      return was === undefined ? [] : [{ was, is }];
    }),
  );
  return [...named, ...renamed];
}

/** Phases without one of the same name, by the name of the nearest before them that has one. */
function leftByPlace(
  phases: readonly PolicyPhase[],
  named: readonly PhasePair[],
): ReadonlyMap<string, readonly PolicyPhase[]> {
  const left = new Map<string, PolicyPhase[]>();
  let place = '';
  for (const phase of phases) {
    if (named.some(({ was }) => was.name === phase.name)) place = phase.name;
    else left.set(place, [...(left.get(place) ?? []), phase]);
  }
  return left;
}

/** What holds in the other policy where phase `index` of this one has nothing that stands in its place. */
function holderOf(
  index: number,
  phases: readonly PolicyPhase[],
  others: readonly PolicyPhase[],
  sides: (pair: PhasePair) => readonly [PolicyPhase, PolicyPhase],
  pairs: readonly PhasePair[],
): PolicyPhase | undefined {
  const sided = pairs.map(sides);
  for (const phase of phases.slice(0, index).toReversed()) {
    const other = sided.find(([mine]) => mine === phase)?.[1];
    if (other !== undefined) return other;
  }
  return others[0];
}

function diffGone(
  phase: PolicyPhase,
  instead: PolicyPhase | undefined,
  after: Policy,
): readonly PolicyChange[] {
  if (instead === undefined) return [about('opened', phase.name, 'this phase is gone')];
  const changes = diffSets(phase, instead, after, phase.name);
  const detail = `this phase is gone, ${instead.name} holds instead`;
  return [
    changes.some(({ kind }) => kind === 'opened')
      ? about('opened', phase.name, `${detail}, which allows more`)
      : about('changed', phase.name, detail),
    ...changes,
  ];
}

/** In what a phase begins otherwise. Until it does, the one before holds: what may come later opens what that allows. */
function diffBeginning(
  was: PolicyPhase,
  is: PolicyPhase,
  before: Policy,
  after: Policy,
  pairs: readonly PhasePair[],
): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  if (was.name !== is.name) changes.push(about('changed', is.name, `was called ${was.name}`));
  if (was.trigger !== is.trigger) {
    const detail = `begins at ${is.trigger ?? 'the start'}, was ${was.trigger ?? 'the start'}`;
    changes.push(
      mayBeLater(was, is)
        ? about('opened', is.name, `${detail}: that may be later, and until then more is allowed`)
        : about('changed', is.name, detail),
    );
  }
  for (const other of newlyAwaited(was, is, before, after, pairs)) {
    const detail = `begins only after ${other.name} now: that may be later, and until then more is allowed`;
    changes.push(about('opened', is.name, detail));
  }
  return changes;
}

/** Whether a phase may begin later than before; a trigger that was added to others only makes it begin earlier. */
function mayBeLater(was: PolicyPhase, is: PolicyPhase): boolean {
  if (is.trigger === null) return false;
  const triggers = alternativesOf(is);
  return was.trigger === null || alternativesOf(was).some((trigger) => !triggers.includes(trigger));
}

function alternativesOf({ trigger }: PolicyPhase): readonly string[] {
  // As on the command line: a pattern of output may hold the separator as well.
  return trigger?.split(/ \| (?=(?:syscall|symbol|listen|output|after):|key$)/) ?? [];
}

/** Phases right before one that it did not wait for: a trigger counts only once the phase before has begun. */
function newlyAwaited(
  was: PolicyPhase,
  is: PolicyPhase,
  before: Policy,
  after: Policy,
  pairs: readonly PhasePair[],
): readonly PolicyPhase[] {
  const earlier = after.phases.slice(1, Math.max(1, after.phases.indexOf(is)));
  // What stands before a phase that is kept was told of there.
  const from = earlier.findLastIndex((phase) => {
    const old = pairs.find((pair) => pair.is === phase)?.was;
    return old !== undefined && before.phases.indexOf(old) < before.phases.indexOf(was);
  });
  return earlier.slice(from + 1);
}

/** In what two phases differ, for the tree and for each program that has a set of its own in either. */
function diffSets(was: PolicyPhase, is: PolicyPhase, policy: Policy, phase: string): readonly PolicyChange[] {
  return [
    ...diffCalls(was.calls, is.calls, policy, phase, null),
    ...programsOf(was, is).flatMap((program) =>
      diffCalls(callsOf(was, program), callsOf(is, program), policy, phase, program.path),
    ),
  ];
}

function programsOf(before: PolicyPhase, after: PolicyPhase): readonly ProgramKey[] {
  const gone = before.programs.filter((program) => findProgram(after.programs, program) === undefined);
  return [...after.programs, ...gone];
}

function callsOf({ calls, programs }: PolicyPhase, program: ProgramKey): readonly PolicyCall[] {
  return findProgram(programs, program)?.calls ?? calls;
}

function diffCalls(
  before: readonly PolicyCall[],
  after: readonly PolicyCall[],
  policy: Policy,
  phase: string,
  program: string | null,
): readonly PolicyChange[] {
  const old = callsByKey(before);
  const changes: PolicyChange[] = [];
  const add = (kind: ChangeKind, call: PolicyCall, detail: string): void => {
    changes.push({ kind, phase, program, call: labelOf(call, policy), detail });
  };
  for (const call of after) {
    const was = old.get(callKey(call));
    if (was === undefined) {
      add(
        'opened',
        call,
        call.args.length === 0 ? 'was denied' : 'was denied, is allowed with some arguments',
      );
      continue;
    }
    for (const { kind, detail } of diffArguments(was, call)) add(kind, call, detail);
  }
  const now = callsByKey(after);
  for (const call of before) if (!now.has(callKey(call))) add('closed', call, 'was allowed');
  return changes;
}

interface ArgumentDifference {
  readonly kind: 'opened' | 'closed';
  readonly detail: string;
}

function diffArguments(before: PolicyCall, after: PolicyCall): readonly ArgumentDifference[] {
  if (coversRules(before.args, after.args) && coversRules(after.args, before.args)) return [];
  const positions = [...new Set([...before.args, ...after.args].map(({ index }) => index))].sort(
    (a, b) => a - b,
  );
  return positions.flatMap((position) => {
    const was = ruleAt(before, position);
    const is = ruleAt(after, position);
    const name = is?.name ?? was?.name ?? `arg${position}`;
    if (was === undefined && is === undefined) return [];
    if (is === undefined) return [{ kind: 'opened' as const, detail: `${name} may be anything` }];
    if (was === undefined)
      return [{ kind: 'closed' as const, detail: `${name} must be ${valuesOf(after, is)}` }];
    const gained = gainsOf(before, was, is);
    const lost = gainsOf(before, is, was);
    return [
      ...(gained === '' ? [] : [{ kind: 'opened' as const, detail: `${name} may be ${gained}` }]),
      ...(lost === '' ? [] : [{ kind: 'closed' as const, detail: `${name} may no longer be ${lost}` }]),
    ];
  });
}

function ruleAt(call: PolicyCall, position: number): PolicyArgument | undefined {
  return call.args.find((argument) => argument.index === position && !isOpen(argument));
}

/** What the second rule lets through beyond the first, in words. */
function gainsOf(call: PolicyCall, first: PolicyArgument, second: PolicyArgument): string {
  if (coversRules([first], [second])) return '';
  const free = freeBits(first);
  const bits = freeBits(second) & ~free;
  const values = second.values.filter((value) => !first.values.includes(value & ~free));
  const words = values.map((value) => formatConstant(call, second, value));
  const isHalf = (bits & UPPER_HALF) === UPPER_HALF;
  const named = isHalf ? bits & ~UPPER_HALF : bits;
  if (named !== 0n) words.push(`anything with ${formatConstant(call, second, named)}`);
  if (isHalf) words.push('anything in its upper 32 bits');
  return words.length > 0 ? words.join(', ') : valuesOf(call, second);
}

function valuesOf(call: PolicyCall, argument: PolicyArgument): string {
  const values = argument.values.map((value) => formatConstant(call, argument, value)).join(', ');
  return argument.free === 0n
    ? values
    : `${values} with any of ${formatConstant(call, argument, argument.free)}`;
}

function labelOf(call: PolicyCall, { arches }: Policy): string {
  return formatLabel(call, arches[0]?.arch ?? 'x86_64');
}

function about(kind: ChangeKind, phase: string, detail: string): PolicyChange {
  return { kind, phase, program: null, call: null, detail };
}

function whole(kind: ChangeKind, call: string | null, detail: string): PolicyChange {
  return { kind, phase: null, program: null, call, detail };
}
