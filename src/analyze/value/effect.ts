import { FLOW, type Instruction } from '../x86/instruction.ts';
import type { FunctionBody } from './flow.ts';

/** What a called function does beyond the calling convention; the low 16 bits are registers that it changes and should not. */
export const EFFECT = {
  NONE: 0,
  /** It may return once more after its caller has gone on: vfork, setjmp. */
  TWICE: 0x1_0000,
  /** So it may at any later time, as long as its caller has not returned: setjmp. */
  LATER: 0x2_0000,
} as const;

/** EFFECT bits of a call whose callee stands in the instruction, or in a word that the loader fills. */
export function effectsOfCall(
  body: Pick<FunctionBody, 'effects' | 'effectsOfWord'>,
  ins: Instruction,
): number {
  if (ins.flow === FLOW.CALL) return body.effects?.(ins.target) ?? EFFECT.NONE;
  if (ins.flow !== FLOW.CALL_INDIRECT || ins.ripTarget < 0) return EFFECT.NONE;
  return body.effectsOfWord?.(ins.ripTarget) ?? EFFECT.NONE;
}
