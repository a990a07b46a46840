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
import type { ProgramKey } from '../policy/policy-sets.ts';
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
  const args = widened.filter(({ values }) => values.length <= ARGUMENT_VALUE_CAP);
  const replaced = { ...present, args, why: [...present.why.filter((text) => text !== why), why] };
  return calls.map((call) => (call === present ? replaced : call));
}

function addValue(argument: PolicyArgument, raw: bigint): PolicyArgument {
  const value = BigInt.asUintN(argument.width, raw) & ~argument.free;
  if (argument.values.includes(value)) return argument;
  const values = [...argument.values, value].sort((a, b) => (a < b ? -1 : 1));
  return { ...argument, values };
}
