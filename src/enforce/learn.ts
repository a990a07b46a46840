import type { Arch } from '../abi/arch.ts';
import { syscallName, syscalls } from '../abi/syscalls.ts';
import { MAX_NR } from '../policy/filter/ir.ts';
import {
  ARGUMENT_VALUE_CAP,
  type Policy,
  type PolicyArgument,
  type PolicyCall,
  type PolicyPhase,
} from '../policy/model.ts';
import { callKey } from '../policy/call-label.ts';
import { callsByKey, findProgram, policySets, type ProgramKey } from '../policy/policy-sets.ts';
import type { Violation } from '../trace/backend.ts';

/**
 * The policy with everything that an audit found added, each entry saying so.
 *
 * A call goes into the phase in which it was seen and into all earlier ones, for a filter can only be tightened; and into
 * the narrower sets that held its process. A call that was allowed with other arguments gets the values seen, or any if
 * there are too many. An arch that the policy did not have comes with its first call.
 */
export function learnViolations(policy: Policy, found: readonly Violation[], why: string): Policy {
  // No filter can name a number beyond that: such a call stays denied.
  const violations = found.filter(({ nr }) => nr >= 0 && nr <= MAX_NR);
  const phases = policy.phases.map((phase, index): PolicyPhase => {
    const here = violations.filter((violation) => violation.phase >= index);
    return {
      ...phase,
      calls: here.reduce((calls, violation) => addCall(calls, violation, why), phase.calls),
      programs: phase.programs.map((program) => ({
        ...program,
        calls: here
          .filter(({ sets }) => sets.some((set) => isSame(set, program)))
          .reduce((calls, violation) => addCall(calls, violation, why), program.calls),
      })),
    };
  });
  const isLearned = (call: PolicyCall): boolean =>
    violations.some(({ arch, nr }) => call.arch === arch && call.nr === nr);
  const known = policy.arches.map(({ arch }) => arch);
  const added = new Set(violations.map(({ arch }) => arch).filter((arch) => !known.includes(arch)));
  const arches = [...policy.arches, ...[...added].map((arch) => ({ arch, newest: newestOf(arch) }))];
  return { ...policy, arches, phases, enosys: policy.enosys.filter((call) => !isLearned(call)) };
}

/** Builds of a program have sets of their own. */
function isSame(one: ProgramKey, other: ProgramKey): boolean {
  return one.path === other.path && one.buildId === other.buildId;
}

function newestOf(arch: Arch): number {
  return Math.max(...syscalls(arch).map(({ nr }) => nr));
}

function addCall(calls: readonly PolicyCall[], violation: Violation, why: string): readonly PolicyCall[] {
  const { arch, nr } = violation;
  const present = calls.find((call) => call.arch === arch && call.nr === nr);
  if (present === undefined) {
    return [...calls, { arch, nr, name: syscallName(arch, nr), args: [], why: [why] }];
  }
  const widened = present.args.map((argument) => addValue(argument, violation.args[argument.index] ?? 0n));
  const changed = widened.some((argument, index) => argument !== present.args[index]);
  if (!changed) return calls;
  const args = widened.filter(isListable);
  const opened = widened.filter((argument) => !isListable(argument)).map(describeOpened);
  const reasons = [why, ...opened];
  const replaced = {
    ...present,
    args,
    why: [...present.why.filter((text) => !reasons.includes(text)), ...reasons],
  };
  return calls.map((call) => (call === present ? replaced : call));
}

function isListable({ values }: PolicyArgument): boolean {
  return values.length <= ARGUMENT_VALUE_CAP;
}

/** An argument by its name, or by its place as documents have it. */
function describeOpened(argument: Pick<PolicyArgument, 'index' | 'name'>): string {
  return `more than ${ARGUMENT_VALUE_CAP} values, now with any ${argument.name ?? `arg${argument.index}`}`;
}

/** A call that was restricted to some values of an argument before an audit, and no longer is. */
export interface OpenedCall {
  readonly call: PolicyCall;
  /** `more than 256 values, now with any request`. */
  readonly detail: string;
}

/** What was opened because a policy cannot list as many values as an audit has seen; each once, however many sets have it. */
export function openedCalls(before: Policy, after: Policy): readonly OpenedCall[] {
  const found = policySets(after).flatMap((set) => {
    const phase = before.phases.find(({ name }) => name === set.phase.name);
    const own =
      set.program === null || phase === undefined ? phase : findProgram(phase.programs, set.program);
    const old = callsByKey(own?.calls ?? []);
    return set.calls.flatMap((call) =>
      (old.get(callKey(call))?.args ?? [])
        .filter(({ index }) => !call.args.some((argument) => argument.index === index))
        .map((argument) => ({ call, detail: describeOpened(argument) })),
    );
  });
  return [...new Map(found.map((each) => [`${callKey(each.call)} ${each.detail}`, each])).values()];
}

function addValue(argument: PolicyArgument, raw: bigint): PolicyArgument {
  const value = BigInt.asUintN(argument.width, raw) & ~argument.free;
  if (argument.values.includes(value)) return argument;
  const values = [...argument.values, value].sort((a, b) => (a < b ? -1 : 1));
  return { ...argument, values };
}
