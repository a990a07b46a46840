import { ALLOW, ENOSYS, KILL_PROCESS, LOG, type Action } from './filter/action.ts';
import { createFilter, type Condition, type Filter, type RuleSpec } from './filter/ir.ts';
import { PolicyError } from './filter/policy-error.ts';
import { isOpen } from './argument-rules.ts';
import type { Policy, PolicyArgument, PolicyCall } from './model.ts';
import { findSet, hasCall, type ProgramKey } from './policy-sets.ts';
import { violationAction } from './violation.ts';

/** Combinations of argument values that are written out one by one. */
export const COMBINATION_CAP = 64;

/**
 * The filter of a phase, for the whole tree or for one program.
 *
 * Allowed calls are let through; `enosys` and what is newer than the policy knows give ENOSYS; the rest is what
 * `onViolation` says. Another arch, and x32 numbers unless x32 is listed, kill the process. With `log` nothing is
 * blocked at all.
 *
 * @throws PolicyError if there is no such phase or set, or if a call's arguments have too many combinations
 */
export function lowerPolicy(policy: Policy, phase: string, program: ProgramKey | null = null): Filter {
  const { calls, path } = findSet(policy, phase, program);
  const violation = violationAction(policy.onViolation);
  if (violation === null) {
    throw new PolicyError(`policy: unknown action on violation, ${policy.onViolation}`, '/onViolation');
  }
  const isRehearsal = violation.kind === 'log';
  const missing: Action = isRehearsal ? LOG : { kind: 'errno', errno: ENOSYS };
  const foreign = isRehearsal ? LOG : KILL_PROCESS;
  return createFilter({
    sections: policy.arches.map(({ arch, newest }) => ({
      arch,
      default: violation,
      newestKnown: newest,
      newer: missing,
      rules: [
        ...calls.flatMap((call, index) =>
          call.arch === arch
            ? lowerCall(call, hasCall(policy.enosys, call) ? missing : violation, `${path}/calls/${index}`)
            : [],
        ),
        ...policy.enosys
          .filter((call) => call.arch === arch && !hasCall(calls, call))
          .map(({ nr }) => ({ nr, action: missing })),
      ],
    })),
    mismatch: foreign,
    foreign,
  });
}

/**
 * The ways in which a call is allowed: alternatives, of which each has conditions that must all hold.
 *
 * One without conditions means always. Null if there are more than `cap`.
 */
export function callAlternatives(
  call: Pick<PolicyCall, 'args'>,
  cap: number = COMBINATION_CAP,
): readonly (readonly Condition[])[] | null {
  let alternatives: (readonly Condition[])[] = [[]];
  for (const argument of call.args.filter((each) => !isOpen(each))) {
    if (alternatives.length * argument.values.length > cap) return null;
    alternatives = alternatives.flatMap((conditions) =>
      argument.values.map((value) => [...conditions, equals(argument, value)]),
    );
  }
  return alternatives;
}

function lowerCall(call: PolicyCall, denied: Action, path: string): readonly RuleSpec[] {
  const { nr } = call;
  const args = call.args.filter((each) => !isOpen(each));
  if (args.length === 0) return [{ nr, action: ALLOW }];
  // What is left over must not fall to the action for newer numbers.
  const rest = { nr, action: denied };
  const alternatives = callAlternatives({ args });
  if (alternatives !== null) {
    return [...alternatives.map((conditions) => ({ nr, action: ALLOW, conditions })), rest];
  }
  // Rules of one argument: deny what is none of its values. A denial cannot be said of masks, as there all bits must
  // differ from none of several values, so those are multiplied out.
  const refusals = args
    .filter(({ free }) => free === 0n)
    .map((argument) => ({
      nr,
      action: denied,
      conditions: argument.values.map((value) => differs(argument, value)),
    }));
  const masked = callAlternatives({ args: args.filter(({ free }) => free !== 0n) }, COMBINATION_CAP * 4);
  if (masked === null) {
    throw new PolicyError(
      `policy: too many combinations of the arguments of ${call.name ?? call.nr} (${COMBINATION_CAP * 4})`,
      `${path}/args`,
    );
  }
  return [...refusals, ...masked.map((conditions) => ({ nr, action: ALLOW, conditions })), rest];
}

function equals({ index, width, free }: PolicyArgument, value: bigint): Condition {
  if (free === 0n) return { arg: index, width, op: 'eq', value };
  const mask = ~free & ((1n << BigInt(width)) - 1n);
  return { arg: index, width, op: 'masked_eq', value, mask };
}

function differs({ index, width }: PolicyArgument, value: bigint): Condition {
  return { arg: index, width, op: 'ne', value };
}
