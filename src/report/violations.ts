import { argumentValueName } from '../abi/argument-values.ts';
import { selectingArguments } from '../abi/selecting-arguments.ts';
import { syscallName } from '../abi/syscalls.ts';
import type { Policy } from '../policy/model.ts';
import type { Violation } from '../trace/backend.ts';
import { escapeText } from './escape.ts';
import type { ViolationTally } from './violation-tally.ts';

/** One line that says which call was denied, in which process and phase, and from which code. */
export function describeViolation(violation: Violation, phases: readonly string[]): string {
  const { pid, tid, program, phase, outcome, backtrace } = violation;
  const thread = tid === pid ? '' : `, thread ${tid}`;
  const from = backtrace.length === 0 ? '' : `, from ${escapeText(backtrace.slice(0, 4).join(' < '))}`;
  const verb = { killed: 'killed for', trapped: 'got SIGSYS for', allowed: 'would be denied' }[outcome];
  return `${escapeText(program ?? 'a program')} (pid ${pid}${thread}) ${verb} ${callText(violation)} in phase ${phases[phase] ?? phase}${from}`;
}

/** The call with the arguments that select what it does: `socket(domain AF_INET, type SOCK_STREAM, protocol 0x6)`. */
export function callText({ arch, nr, args }: Violation): string {
  const name = syscallName(arch, nr) ?? `number ${nr}`;
  const shown = selectingArguments(arch, nr)
    // A field of a structure was not looked at; the argument itself is a pointer.
    .filter(({ pointee }) => pointee === undefined)
    .map((selector) => {
      const value = BigInt.asUintN(selector.bits, args[selector.index] ?? 0n);
      const text = argumentValueName(arch, name, selector.name, value) ?? `0x${value.toString(16)}`;
      return `${selector.name} ${text}`;
    });
  return `${arch === 'x86_64' ? '' : `${arch} `}${name}${shown.length === 0 ? '' : `(${shown.join(', ')})`}`;
}

/** What callgate is told of without an audit, while it runs a program under this policy. */
export function describeSight({ onViolation, phases }: Policy): string {
  const instead = '--audit shows every call outside of the policy';
  if (onViolation === 'log')
    return `calls outside of the policy are only in the log of the kernel; ${instead}`;
  const isFollowed = phases.length === 1 || phases.some(({ programs }) => programs.length > 0);
  const until = isFollowed ? '' : ' until it has the filter of the last phase';
  if (onViolation === 'kill') return `has what a process is killed for${until}; ${instead}`;
  if (onViolation === 'trap') return `has what a process dies of by SIGSYS${until}; ${instead}`;
  return `has nothing of calls that fail with ${onViolation.slice('errno:'.length)}, of which the kernel tells nobody; ${instead}`;
}

/** Result of an audit as text: a line for each distinct call outside of the policy. */
export function formatViolations(tally: ViolationTally, phases: readonly string[]): readonly string[] {
  const { groups, total, unlisted } = tally;
  if (total === 0) return ['audit: no call outside of the policy'];
  const calls = groups.length === 1 ? '1 call' : `${groups.length} calls`;
  return [
    `audit: ${unlisted === 0 ? '' : 'more than '}${calls} outside of the policy, ${total === 1 ? 'once' : `${total} times`} in all`,
    ...groups.map(({ first, count }) => `  ${count} x ${describeViolation(first, phases)}`),
    ...(unlisted === 0 ? [] : [`  ${unlisted} x other calls: too many different ones to list them`]),
  ];
}
