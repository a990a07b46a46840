import { BPF, BPF_CLASS, BPF_OP, type Instruction } from './cbpf.ts';
import { calculate, compare } from './interpret.ts';
import { SECCOMP_DATA_SIZE, WORD } from './seccomp-data.ts';
import { constrain, type Constraints, type Relation } from './word-constraint.ts';

/** Numbers of calls, both ends included, as the kernel has them: unsigned 32 bits. */
export interface NumberSpan {
  readonly first: number;
  readonly last: number;
}

/** One way through a program. */
export interface Path {
  readonly constraints: Constraints;
  /** The value returned; null if it is computed from what is not known. */
  readonly value: number | null;
  /** False if some test on the way has no form in `constraints`. */
  readonly exact: boolean;
}

/** What came of a symbolic run. */
export type SymbolicResult =
  | { readonly kind: 'paths'; readonly paths: readonly Path[] }
  /** The program treats the numbers differently: try each part. The starts lie inside the span, ascending. */
  | { readonly kind: 'split'; readonly starts: readonly number[] }
  /** More paths than asked for. */
  | { readonly kind: 'many' };

/**
 * Runs a valid program for one arch and a span of numbers, with arguments and instruction pointer unknown.
 *
 * Follows both ways at tests of what is unknown and drops ways that contradict themselves. With `forget` it
 * keeps no constraints and goes on from each state once only: the values are those that may be returned, and
 * there may be more than really are.
 */
export function runSymbolically(
  program: readonly Instruction[],
  arch: number,
  span: NumberSpan,
  maxPaths: number,
  forget = false,
): SymbolicResult {
  const paths: Path[] = [];
  const seen = new Set<string>();
  const waiting: State[] = [
    { pc: 0, a: known(0), x: known(0), memory: [], constraints: new Map(), exact: true },
  ];
  let steps = 0;
  while (waiting.length > 0) {
    let state = waiting.pop()!;
    for (;;) {
      if (steps++ > maxPaths * STEPS_PER_PATH) return { kind: 'many' };
      if (forget) {
        state = { ...state, constraints: new Map(), exact: false };
        const { pc, a, x, memory } = state;
        const key = JSON.stringify([pc, a, x, memory]);
        if (seen.has(key)) break;
        if (seen.size >= MOST_STATES) return { kind: 'many' };
        seen.add(key);
      }
      const step = advance(program[state.pc]!, state, arch, span);
      if (step.kind === 'split') return { kind: 'split', starts: step.starts };
      if (step.kind === 'end') {
        if (paths.length >= maxPaths) return { kind: 'many' };
        paths.push({ constraints: state.constraints, value: step.value, exact: state.exact });
        if (step.also !== undefined) state = step.also;
        else break;
        continue;
      }
      const [next, other] = step.states;
      if (other !== undefined) waiting.push(other);
      if (next === undefined) break;
      state = next;
    }
  }
  return { kind: 'paths', paths };
}

const STEPS_PER_PATH = 4096;
const MOST_STATES = 65536;
const PARTS_AT_ONCE = 64;
const WORD_MAX = 0xffffffff;

type Value =
  | { readonly kind: 'known'; readonly value: number }
  /** The number plus a constant, modulo 2^32, without overflow inside the span. */
  | { readonly kind: 'number'; readonly plus: number }
  | { readonly kind: 'word'; readonly word: number; readonly mask: number }
  | { readonly kind: 'unknown' };

interface State {
  readonly pc: number;
  readonly a: Value;
  readonly x: Value;
  readonly memory: readonly (Value | undefined)[];
  readonly constraints: Constraints;
  readonly exact: boolean;
}

type Split = { readonly kind: 'split'; readonly starts: readonly number[] };

type Step =
  | { readonly kind: 'go'; readonly states: readonly State[] }
  | { readonly kind: 'end'; readonly value: number | null; readonly also?: State }
  | Split;

const UNKNOWN: Value = { kind: 'unknown' };

function known(value: number): Value {
  return { kind: 'known', value };
}

function advance(instruction: Instruction, state: State, arch: number, span: NumberSpan): Step {
  const { code, k } = instruction;
  const pc = state.pc + 1;
  const go = (change: Partial<State>): Step => ({ kind: 'go', states: [{ ...state, pc, ...change }] });
  switch (code & BPF_CLASS) {
    case BPF.LD:
    case BPF.LDX: {
      let value: Value;
      if (code === (BPF.LD | BPF.W | BPF.ABS)) value = load(k / 4, arch, span);
      else if ((code & ~1) === (BPF.W | BPF.LEN)) value = known(SECCOMP_DATA_SIZE);
      else if ((code & ~1) === BPF.IMM) value = known(k);
      else value = state.memory[k] ?? known(0);
      return go((code & 1) === BPF.LD ? { a: value } : { x: value });
    }
    case BPF.ST:
    case BPF.STX: {
      const memory = [...state.memory];
      memory[k] = code === BPF.ST ? state.a : state.x;
      return go({ memory });
    }
    case BPF.ALU: {
      const operand = (code & BPF.X) === 0 ? known(k) : state.x;
      if (code === (BPF.ALU | BPF.DIV | BPF.X)) {
        if (operand.kind === 'known' && operand.value === 0) return { kind: 'end', value: 0 };
        if (operand.kind !== 'known')
          return { kind: 'end', value: 0, also: { ...state, pc, a: UNKNOWN, exact: false } };
      }
      const result = calculateValue(code, state.a, operand, span);
      return result.kind === 'split' ? result : go({ a: result });
    }
    case BPF.JMP: {
      if (code === (BPF.JMP | BPF.JA)) return go({ pc: pc + k });
      return branch(instruction, state, span);
    }
    case BPF.RET: {
      const value = code === (BPF.RET | BPF.K) ? known(k) : state.a;
      if (value.kind === 'number' && span.first < span.last) return { kind: 'end', value: null };
      return { kind: 'end', value: value.kind === 'known' ? value.value : null };
    }
    default:
      return go(code === (BPF.MISC | BPF.TAX) ? { x: state.a } : { a: state.x });
  }
}

function load(word: number, arch: number, span: NumberSpan): Value {
  if (word === WORD.arch) return known(arch);
  if (word !== WORD.nr) return { kind: 'word', word, mask: WORD_MAX };
  return span.first === span.last ? known(span.first) : { kind: 'number', plus: 0 };
}

function calculateValue(code: number, a: Value, operand: Value, span: NumberSpan): Value | Split {
  if (operand.kind !== 'known') return UNKNOWN;
  const k = operand.value;
  if (a.kind === 'known') return known(calculate(code, a.value, k) ?? 0);
  const operation = code & BPF_OP;
  if (a.kind === 'word') {
    return operation === BPF.AND ? { ...a, mask: (a.mask & k) >>> 0 } : UNKNOWN;
  }
  if (a.kind === 'unknown') return UNKNOWN;
  switch (operation) {
    case BPF.ADD:
      return shiftNumber(a.plus + k, span);
    case BPF.SUB:
      return shiftNumber(a.plus - k, span);
    case BPF.AND: {
      // Where the bits that the mask clears do not change, it subtracts a constant.
      const cleared = ~k >>> 0;
      if (cleared === 0) return a;
      const first = (span.first + a.plus) >>> 0;
      const last = (span.last + a.plus) >>> 0;
      const starts = changesOfBits(cleared, first, last, a.plus);
      if (starts === undefined) return UNKNOWN;
      if (starts.length > 0) return { kind: 'split', starts };
      return { kind: 'number', plus: (a.plus - ((first & cleared) >>> 0)) >>> 0 };
    }
    default:
      return UNKNOWN;
  }
}

function shiftNumber(plus: number, span: NumberSpan): Value | Split {
  const wrapped = plus >>> 0;
  const overflow = (2 ** 32 - wrapped) % 2 ** 32;
  if (overflow > span.first && overflow <= span.last) return { kind: 'split', starts: [overflow] };
  return { kind: 'number', plus: wrapped };
}

/** Numbers at which one of the bits changes between two values; undefined if there are too many. */
function changesOfBits(bits: number, first: number, last: number, plus: number): number[] | undefined {
  const lowest = (bits & -bits) >>> 0;
  const begin = Math.floor(first / lowest) + 1;
  const end = Math.floor(last / lowest);
  if (end - begin >= PARTS_AT_ONCE) return undefined;
  const starts: number[] = [];
  for (let part = begin; part <= end; part++) starts.push((part * lowest - plus) >>> 0);
  return starts;
}

function branch({ code, jt, jf, k }: Instruction, state: State, span: NumberSpan): Step {
  const whenTrue = { ...state, pc: state.pc + 1 + jt };
  const whenFalse = { ...state, pc: state.pc + 1 + jf };
  const { a } = state;
  const operand = (code & BPF.X) === 0 ? known(k) : state.x;
  const both: Step = {
    kind: 'go',
    states: [
      { ...whenTrue, exact: false },
      { ...whenFalse, exact: false },
    ],
  };
  if (jt === jf) return { kind: 'go', states: [whenTrue] };
  if (operand.kind !== 'known') return both;
  switch (a.kind) {
    case 'known':
      return { kind: 'go', states: [compare(code, a.value, operand.value) === true ? whenTrue : whenFalse] };
    case 'number': {
      const starts = changesOfOutcome(code, a.plus, operand.value, span);
      if (starts === undefined) return both;
      if (starts.length > 0) return { kind: 'split', starts };
      const taken = compare(code, (span.first + a.plus) >>> 0, operand.value) === true;
      return { kind: 'go', states: [taken ? whenTrue : whenFalse] };
    }
    case 'word': {
      const [yes, no] = RELATIONS[code & BPF_OP]!;
      const isSet = (code & BPF_OP) === BPF.JSET;
      const mask = isSet ? (a.mask & operand.value) >>> 0 : a.mask;
      const value = isSet ? 0 : operand.value;
      const states: State[] = [];
      for (const [next, relation] of [
        [whenTrue, yes],
        [whenFalse, no],
      ] as const) {
        const constraints = constrain(state.constraints, { word: a.word, mask, relation, k: value });
        if (constraints !== null) states.push({ ...next, constraints });
      }
      return { kind: 'go', states };
    }
    case 'unknown':
      return both;
  }
}

/** Relation that holds if the jump is taken, and if not. For BPF_JSET of the masked word to 0. */
const RELATIONS: Readonly<Record<number, readonly [Relation, Relation]>> = {
  [BPF.JEQ]: ['==', '!='],
  [BPF.JGT]: ['>', '<='],
  [BPF.JGE]: ['>=', '<'],
  [BPF.JSET]: ['!=', '=='],
};

function changesOfOutcome(code: number, plus: number, k: number, span: NumberSpan): number[] | undefined {
  const first = (span.first + plus) >>> 0;
  const last = (span.last + plus) >>> 0;
  let values: number[];
  switch (code & BPF_OP) {
    case BPF.JEQ:
      values = [k, k + 1];
      if (k < first || k > last) return [];
      break;
    case BPF.JGT:
      values = [k + 1];
      break;
    case BPF.JGE:
      values = [k];
      break;
    default:
      return k === 0 ? [] : changesOfBits(k, first, last, plus);
  }
  return values.filter((value) => value > first && value <= last).map((value) => value - first + span.first);
}
