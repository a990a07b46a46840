import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import type { FunctionBody } from './flow.ts';
import type { Frames } from './frames.ts';

/**
 * Whether a slot at the top of the stack is the function's own and no argument of a call with that top: somewhere it is read after such a call
 * and not written in between. What a call finds on the stack as its arguments belongs to the callee, so that nobody relies on it later.
 * Source: System V ABI for x86-64, 3.2.3.
 */
export function isLocalSlot(body: FunctionBody, frames: Frames, top: number, slot: number): boolean {
  for (const [call, own] of frames.tops)
    if (own === top && isReadAfter(body, frames, call, slot)) return true;
  return false;
}

function isReadAfter(body: FunctionBody, frames: Frames, call: number, slot: number): boolean {
  const first = new Instruction();
  const length = body.decode(call, first);
  if (first.flow !== FLOW.CALL && first.flow !== FLOW.CALL_INDIRECT) return false;
  const ins = new Instruction();
  const seen = new Set<number>();
  // The rest of the block of the call, and from there whole blocks.
  const open = [call + length];
  for (let start = open.pop(); start !== undefined; start = open.pop()) {
    const block = blockOf(body, start);
    if (block < 0 || seen.has(start)) continue;
    seen.add(start);
    const end = body.ends[block] as number;
    let isOver = false;
    for (let at = start; at < end && !isOver;) {
      const size = body.decode(at, ins);
      if (size === 0) break;
      at += size;
      if (frames.operands.get(ins.address) === slot) {
        if (ins.operation === OP.MOV && ins.sourceKind === OPERAND.MEMORY && ins.size === 8) return true;
        isOver = ins.writesMemory === 1;
      }
      if (isOver) break;
      if (ins.flow === FLOW.BRANCH || ins.flow === FLOW.JUMP) open.push(ins.target);
      if (ins.flow === FLOW.JUMP_INDIRECT) open.push(...Array.from(body.jumpTargets(ins.address) ?? []));
      isOver =
        ins.flow === FLOW.JUMP ||
        ins.flow === FLOW.JUMP_INDIRECT ||
        ins.flow === FLOW.RETURN ||
        ins.flow === FLOW.TRAP;
    }
    if (!isOver) open.push(end);
  }
  return false;
}

function blockOf({ starts, ends, count }: FunctionBody, address: number): number {
  for (let block = 0; block < count; block++)
    if (address >= (starts[block] as number) && address < (ends[block] as number)) return block;
  return -1;
}
