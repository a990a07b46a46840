import { coversRules, isOpen } from './argument-rules.ts';
import { formatConstant } from './argument-constants.ts';
import { callKey, formatLabel } from './call-label.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from './model.ts';
import { callsByKey, hasCall, findProgram, type ProgramKey } from './policy-sets.ts';

/** `opened`: more is let through than before; `closed`: less; `changed`: neither, or it depends. */
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
 * A program without a set of its own is held by that of the tree. Where entries come from makes no difference.
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
  const find = ({ phases }: Policy, wanted: string): PolicyPhase | undefined =>
    phases.find(({ name }) => name === wanted);
  const only = (phase: PolicyPhase, kind: 'new' | 'gone'): PolicyChange => ({
    kind: 'changed',
    phase: phase.name,
    program: null,
    call: null,
    detail: kind === 'new' ? 'this phase is new' : 'this phase is gone',
  });
  return [
    ...before.phases
      .filter(({ name }) => find(after, name) === undefined)
      .map((phase) => only(phase, 'gone')),
    ...after.phases.flatMap((phase) => {
      const was = find(before, phase.name);
      if (was === undefined) return [only(phase, 'new')];
      const trigger: readonly PolicyChange[] =
        was.trigger === phase.trigger
          ? []
          : [
              {
                kind: 'changed',
                phase: phase.name,
                program: null,
                call: null,
                detail: `begins at ${phase.trigger ?? 'the start'}, was ${was.trigger ?? 'the start'}`,
              },
            ];
      return [
        ...trigger,
        ...diffCalls(was.calls, phase.calls, after, phase.name, null),
        ...programsOf(was, phase).flatMap((program) =>
          diffCalls(callsOf(was, program), callsOf(phase, program), after, phase.name, program.path),
        ),
      ];
    }),
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
  const bits = second.free & ~first.free;
  const values = second.values.filter((value) => !first.values.includes(value & ~first.free));
  const words = values.map((value) => formatConstant(call, second, value));
  if (bits !== 0n) words.push(`anything with ${formatConstant(call, second, bits)}`);
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

function whole(kind: ChangeKind, call: string | null, detail: string): PolicyChange {
  return { kind, phase: null, program: null, call, detail };
}
