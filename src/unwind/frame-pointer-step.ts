import { wrap } from './cpu.ts';
import { followsCall } from './instruction.ts';
import { isSigreturn } from './signal-step.ts';
import { type FrameState, LOST, OUTERMOST, type Step } from './step.ts';

/**
 * Finds the caller by the frame pointer: where it points are the caller's, and above that the return address.
 *
 * Only code that was compiled with frame pointers is unwound this way. In other code the register may hold anything, so a
 * chain is followed only as far as it looks like one: upwards, aligned, in steps of at most 8 MiB, to places that
 * follow a call. If the innermost function has not set up its own frame, its direct caller is left out.
 * Source: System V ABI, AMD64 supplement, "The Stack Frame", also for the 0 that marks the deepest frame.
 *
 * @param isInChain the frame itself was found by its callee's frame pointer, so that a 0 is such a mark.
 */
export function stepByFramePointer(state: FrameState, isInChain: boolean): Step {
  const { cpu, registers, memory } = state;
  const framePointer = registers[cpu.framePointer] ?? null;
  const stackPointer = registers[cpu.stackPointer] ?? null;
  if (framePointer === null) return LOST;
  if (framePointer === 0n) return isInChain ? OUTERMOST : LOST;
  const word = BigInt(cpu.wordSize);
  if (framePointer % word !== 0n) return LOST;
  if (stackPointer !== null) {
    const distance = framePointer - stackPointer;
    if (distance < 0n || distance > LONGEST_FRAME) return LOST;
  }
  const pc = memory.word(cpu, wrap(cpu, framePointer + word));
  const callersPointer = memory.word(cpu, framePointer);
  if (pc === null || callersPointer === null) return LOST;
  if (pc === 0n) return OUTERMOST;
  if (!followsCall(cpu, memory, pc) && !isSigreturn(cpu, memory, pc)) return LOST;
  // What the callee has done to other registers is not known.
  const caller = Array.from<bigint | null>({ length: registers.length }).fill(null);
  caller[cpu.framePointer] = callersPointer;
  caller[cpu.stackPointer] = wrap(cpu, framePointer + 2n * word);
  caller[cpu.returnAddress] = pc;
  return { kind: 'caller', registers: caller };
}

/** The usual limit of a whole stack (RLIMIT_STACK). */
const LONGEST_FRAME = 0x80_0000n;
