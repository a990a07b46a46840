import { syscallName } from '../abi/syscalls.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from '../policy/model.ts';
import type { Violation } from '../trace/backend.ts';

/**
 * The policy with everything that an audit found added, each entry saying so.
 *
 * A call goes into the phase in which it was seen and into all earlier ones, for a filter can only be tightened; and into
 * the narrower set of its program where there is one. A call that was allowed with other arguments gets the values seen.
 */
export function learnViolations(policy: Policy, violations: readonly Violation[], why: string): Policy {
  const phases = policy.phases.map((phase, index): PolicyPhase => {
    const here = violations.filter((violation) => violation.phase >= index);
    return {
      ...phase,
      calls: here.reduce((calls, violation) => addCall(calls, violation, why), phase.calls),
      programs: phase.programs.map((program) => ({
        ...program,
        calls: here
          .filter((violation) => violation.program === program.path)
          .reduce((calls, violation) => addCall(calls, violation, why), program.calls),
      })),
    };
  });
  const isLearned = (call: PolicyCall): boolean =>
    violations.some(({ arch, nr }) => call.arch === arch && call.nr === nr);
  return { ...policy, phases, enosys: policy.enosys.filter((call) => !isLearned(call)) };
}

function addCall(calls: readonly PolicyCall[], violation: Violation, why: string): readonly PolicyCall[] {
  const { arch, nr, args } = violation;
  const present = calls.find((call) => call.arch === arch && call.nr === nr);
  if (present === undefined) {
    return [...calls, { arch, nr, name: syscallName(arch, nr), args: [], why: [why] }];
  }
  const widened = present.args.map((argument) => addValue(argument, args[argument.index] ?? 0n));
  const changed = widened.some((argument, index) => argument !== present.args[index]);
  if (!changed) return calls;
  const replaced = { ...present, args: widened, why: [...present.why.filter((text) => text !== why), why] };
  return calls.map((call) => (call === present ? replaced : call));
}

function addValue(argument: PolicyArgument, raw: bigint): PolicyArgument {
  const value = BigInt.asUintN(argument.width, raw) & ~argument.free;
  if (argument.values.includes(value)) return argument;
  const values = [...argument.values, value].sort((a, b) => (a < b ? -1 : 1));
  return { ...argument, values };
}
