import { ARCHES, type Arch } from '../../abi/arch.ts';
import { selectingArguments, type SelectingArgument } from '../../abi/selecting-arguments.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { PolicyError } from '../../policy/filter/policy-error.ts';
import { ALLOW, type Action } from '../../policy/filter/action.ts';
import { encodeProgram, type Instruction } from '../../policy/filter/cbpf.ts';
import { compileFilter } from '../../policy/filter/compile.ts';
import { createFilter, MAX_NR, type Condition, type RuleSpec } from '../../policy/filter/ir.ts';
import { ARGUMENT_CAP } from '../../profile/call-union.ts';
import { callId } from '../recorder.ts';
import { STOP_DATA } from '../seccomp-filters.ts';

const STOP: Action = { kind: 'trace', data: STOP_DATA };

/** Calls by which tasks are made, and which the tracer has to look into every time. */
const ALWAYS_STOPPED = ['clone', 'clone3', 'fork', 'vfork', 'listen', 'seccomp'] as const;

/** Values of a selecting argument with which a call is looked into every time. */
const STOPPED_VALUES: Readonly<Record<string, number>> = {
  /** PR_SET_SECCOMP of include/uapi/linux/prctl.h. */
  prctl: 22,
  /** SYS_LISTEN of include/uapi/linux/net.h. */
  socketcall: 4,
};

/** A number that was used, with the values that its selecting arguments had. */
export interface SeenCall {
  readonly arch: number;
  readonly nr: number;
  readonly selectors: readonly SelectingArgument[];
  /** One entry a selector; null once there were more than ARGUMENT_CAP values, or one could not be read. */
  readonly values: (Set<number | string> | null)[];
}

/** What a filter lets pass without a stop. */
export interface Passing {
  /** struct sock_filter[]. */
  readonly program: Uint8Array;
  /** The calls of which it lets some or all pass, by `callId`. */
  readonly calls: ReadonlyMap<number, SeenCall>;
}

/** Everything that a tree of processes was seen to call, and the filter that stops all else. */
export class SeenCalls {
  readonly #calls: Map<number, SeenCall> = new Map();
  #passing: Passing | null = null;

  /** The call of this number, which is new to the set or not. */
  add(arch: number, nr: number): { readonly call: SeenCall; readonly isNew: boolean } {
    const id = callId(arch, nr);
    const known = this.#calls.get(id);
    if (known !== undefined) return { call: known, isNew: false };
    const selectors = selectingArguments(ARCHES[arch] as Arch, nr);
    const call: SeenCall = { arch, nr, selectors, values: selectors.map(() => new Set()) };
    this.#calls.set(id, call);
    this.#passing = null;
    return { call, isNew: true };
  }

  /** A value of selector `which` of a call of the set, null if it could not be read; whether that is new. */
  addValue(call: SeenCall, which: number, value: number | string | null): boolean {
    const values = call.values[which];
    if (values === null || values === undefined) return false;
    if (value !== null && values.has(value)) return false;
    if (value === null || values.size >= ARGUMENT_CAP) call.values[which] = null;
    else values.add(value);
    this.#passing = null;
    return true;
  }

  /** The filter for what has been seen until now; the object is the same until there is more. */
  passing(): Passing {
    this.#passing ??= compilePassing([...this.#calls.values()]);
    return this.#passing;
  }
}

function compilePassing(seen: readonly SeenCall[]): Passing {
  const rules = seen.map((call) => ({ call, rules: rulesOf(call) })).filter((one) => one.rules.length > 0);
  const all = tryCompile(rules);
  if (all !== null) return all;
  // Longer than the kernel takes: calls with values to compare stop every time.
  const plain = tryCompile(rules.filter((one) => one.rules.length === 1));
  if (plain === null) throw new Error('tracer: a filter of numbers alone is too long');
  return plain;
}

function tryCompile(
  passed: readonly { readonly call: SeenCall; readonly rules: readonly RuleSpec[] }[],
): Passing | null {
  const archs = (['x86_64', 'i386', 'x32'] as const).map((arch) => ({
    arch,
    rules: passed.filter(({ call }) => ARCHES[call.arch] === arch).flatMap((one) => one.rules),
    default: STOP,
    newer: STOP,
  }));
  const filter = createFilter({ sections: archs, mismatch: STOP, foreign: STOP, skipped: STOP });
  let program: readonly Instruction[];
  try {
    program = compileFilter(filter);
  } catch (error) {
    if (error instanceof PolicyError) return null;
    throw error;
  }
  return {
    program: encodeProgram(program),
    calls: new Map(passed.map(({ call }) => [callId(call.arch, call.nr), copy(call)])),
  };
}

/** Rules that let a call pass with the values seen; none if it always stops. First match wins. */
function rulesOf({ arch, nr, selectors, values }: SeenCall): readonly RuleSpec[] {
  const name = ARCHES[arch] as Arch;
  if (nr < 0 || nr > MAX_NR || isOneOf(name, nr, ALWAYS_STOPPED)) return [];
  const stopped = Object.keys(STOPPED_VALUES).find((call) => syscallNumber(name, call) === nr);
  const rules: RuleSpec[] = [];
  for (const [which, selector] of selectors.entries()) {
    const seen = values[which];
    if (stopped !== undefined && which === 0) {
      rules.push({
        nr,
        action: STOP,
        conditions: [compare(selector, 'eq', STOPPED_VALUES[stopped] as number)],
      });
    }
    if (seen === null || seen === undefined) continue;
    // What a pointer points to cannot be compared.
    if (selector.pointee !== undefined) return [];
    rules.push({ nr, action: STOP, conditions: [...seen].map((value) => compare(selector, 'ne', value)) });
  }
  return [...rules, { nr, action: ALLOW }];
}

function compare({ index, bits }: SelectingArgument, op: 'eq' | 'ne', value: number | string): Condition {
  return { arg: index, width: bits, op, value: BigInt(value) };
}

function isOneOf(arch: Arch, nr: number, names: readonly string[]): boolean {
  return names.some((name) => syscallNumber(arch, name) === nr);
}

function copy(call: SeenCall): SeenCall {
  return { ...call, values: call.values.map((values) => (values === null ? null : new Set(values))) };
}
