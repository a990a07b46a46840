import { argumentValueName } from '../abi/argument-values.ts';
import { selectingArguments } from '../abi/selecting-arguments.ts';
import { syscallName } from '../abi/syscalls.ts';
import type { Violation } from '../trace/backend.ts';
import { escapeText } from './escape.ts';

/** Violations of one call by one program in one phase. */
export interface ViolationGroup {
  readonly first: Violation;
  readonly count: number;
}

/** Groups violations by phase, program, arch and number, in the order in which each was first seen. */
export function groupViolations(violations: readonly Violation[]): readonly ViolationGroup[] {
  const groups = new Map<string, { first: Violation; count: number }>();
  for (const violation of violations) {
    const { phase, program, arch, nr, outcome } = violation;
    const key = `${phase} ${program ?? ''} ${arch} ${nr} ${outcome}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: violation, count: 1 });
    else group.count++;
  }
  return [...groups.values()];
}

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

/** Result of an audit as text: a line for each distinct call outside of the policy. */
export function formatViolations(
  violations: readonly Violation[],
  phases: readonly string[],
): readonly string[] {
  const groups = groupViolations(violations);
  if (groups.length === 0) return ['audit: no call outside of the policy'];
  return [
    `audit: ${groups.length === 1 ? '1 call' : `${groups.length} calls`} outside of the policy, ${violations.length === 1 ? 'once' : `${violations.length} times`} in all`,
    ...groups.map(({ first, count }) => `  ${count} x ${describeViolation(first, phases)}`),
  ];
}
