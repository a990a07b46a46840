import { type Cpu, type RegisterValues, wrap } from './cpu.ts';
import { evaluateExpression, type ExpressionContext } from './expression.ts';
import type { FrameRow, RegisterRule } from './frame-row.ts';
import type { MemoryView } from './memory-view.ts';

/** Registers of one frame, and the memory they point into. */
export interface FrameState {
  readonly cpu: Cpu;
  readonly registers: RegisterValues;
  readonly memory: MemoryView;
}

/**
 * What comes above a frame: its caller; nothing, as it is the first of its stack; or what cannot be known.
 */
export type Step =
  | { readonly kind: 'caller'; readonly registers: RegisterValues }
  | { readonly kind: 'outermost' }
  | { readonly kind: 'lost' };

/** How the code at one place is unwound. */
export interface UnwindPlan {
  readonly row: FrameRow;
  /** Register number that stands for the return address. */
  readonly returnAddress: number;
  /** The caller was interrupted by a signal: its stack may lie anywhere, and its pc is no return address. */
  readonly isSignalFrame: boolean;
}

/**
 * Restores the caller's registers by a row of call frame information.
 *
 * A register without a rule keeps its value; the stack pointer becomes the CFA (DWARF 4, section 6.4.4; gcc's
 * unwind-dw2.c). The outermost frame has an undefined return address, or one of 0. Unless a signal came between, stacks grow
 * downwards: a CFA that is not above the stack pointer is wrong.
 *
 * @throws FormatError when an expression is malformed.
 */
export function stepByRow(state: FrameState, plan: UnwindPlan): Step {
  const { cpu, registers } = state;
  const { rules } = plan.row;
  const returnRule = rules.get(plan.returnAddress);
  if (returnRule?.kind === 'undefined') return OUTERMOST;
  const cfa = cfaOf(state, plan.row);
  const stackPointer = registers[cpu.stackPointer] ?? null;
  if (cfa === null || returnRule === undefined) return LOST;
  if (!plan.isSignalFrame && stackPointer !== null && cfa <= stackPointer) return LOST;

  const caller = [...registers];
  caller[cpu.stackPointer] = cfa;
  for (const [register, rule] of rules) {
    if (register < registers.length) caller[register] = restore(state, rule, register, cfa);
  }
  const pc = restore(state, returnRule, plan.returnAddress, cfa);
  caller[cpu.returnAddress] = pc;
  if (pc === null) return LOST;
  return pc === 0n ? OUTERMOST : { kind: 'caller', registers: caller };
}

/** The result when a frame has no caller. */
export const OUTERMOST: Step = { kind: 'outermost' };

/** The result when the caller cannot be found. */
export const LOST: Step = { kind: 'lost' };

function cfaOf(state: FrameState, { cfa }: FrameRow): bigint | null {
  if (cfa.kind === 'expression') return evaluateExpression(cfa.expression, state, []);
  const base = state.registers[cfa.register] ?? null;
  return base === null ? null : wrap(state.cpu, base + BigInt(cfa.offset));
}

function restore(
  context: ExpressionContext,
  rule: RegisterRule,
  register: number,
  cfa: bigint,
): bigint | null {
  const { cpu, registers, memory } = context;
  switch (rule.kind) {
    case 'undefined':
      return null;
    case 'same':
      return registers[register] ?? null;
    case 'register':
      return registers[rule.register] ?? null;
    case 'offset':
      return memory.word(cpu, wrap(cpu, cfa + BigInt(rule.offset)));
    case 'val-offset':
      return wrap(cpu, cfa + BigInt(rule.offset));
    case 'val-expression':
      return evaluateExpression(rule.expression, context, [cfa]);
    case 'expression': {
      const address = evaluateExpression(rule.expression, context, [cfa]);
      return address === null ? null : memory.word(cpu, address);
    }
  }
}
