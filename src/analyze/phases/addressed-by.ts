import type { FunctionBody } from '../value/flow.ts';
import { FLOW, Instruction, OP, OPERAND } from '../x86/instruction.ts';
import { ControlFlow } from './control-flow.ts';

/**
 * vaddrs of the instructions whose memory operand lies, whichever way led there, behind an address that some instructions of the
 * function take, LEA or MOV, at an index and a displacement.
 *
 * @param callerSaved registers that a called function may change, one bit each.
 */
export function addressedBy(
  body: FunctionBody,
  places: ReadonlySet<number>,
  callerSaved: number,
): ReadonlySet<number> {
  const flow = new ControlFlow(body);
  // Registers that hold such an address for certain at the start of each block, one bit each.
  const states = new Map<number, number>();
  const work: number[] = [];
  const found = new Set<number>();
  const enter = (block: number, registers: number): void => {
    const known = states.get(block);
    const joined = known === undefined ? registers : known & registers;
    if (joined === known) return;
    states.set(block, joined);
    work.push(block);
  };
  const ins = new Instruction();
  const follow = (block: number, isFinal: boolean): void => {
    let registers = states.get(block) ?? 0;
    const end = body.ends[block] as number;
    for (let address = body.starts[block] as number; address < end;) {
      const length = body.decode(address, ins);
      if (length === 0) break;
      address += length;
      if (isFinal && has(registers, ins.memoryBase) !== has(registers, ins.memoryIndex))
        found.add(ins.address);
      // What a jump in the middle of a block leads to is entered with what every way has that comes there.
      if (!isFinal && ins.flow === FLOW.BRANCH) enterAt(flow, ins.target, registers, enter);
      if (ins.flow === FLOW.CALL || ins.flow === FLOW.CALL_INDIRECT) registers &= ~callerSaved;
      else registers = after(ins, registers, places);
    }
    if (!isFinal) for (const next of flow.successors[block] ?? []) enter(next, registers);
  };
  for (let block = 0; block < body.count; block++)
    if (body.starts[block] === body.entry || body.isEnteredFromOutside(block)) enter(block, 0);
  for (let block = work.pop(); block !== undefined; block = work.pop()) follow(block, false);
  for (const block of states.keys()) follow(block, true);
  return found;
}

function enterAt(
  flow: ControlFlow,
  target: number,
  registers: number,
  enter: (block: number, registers: number) => void,
): void {
  const block = flow.blockFrom(target);
  if (block >= 0) enter(block, registers);
}

function after(ins: Instruction, registers: number, places: ReadonlySet<number>): number {
  const { operation, size, destinationKind, destinationRegister, sourceKind, sourceRegister } = ins;
  const left = registers & ~ins.writes;
  if (destinationKind !== OPERAND.REGISTER || size !== 8) return left;
  const to = 1 << destinationRegister;
  const isSource = sourceKind === OPERAND.REGISTER && has(registers, sourceRegister);
  switch (operation) {
    case OP.MOV:
      return isSource || places.has(ins.address) ? left | to : left;
    case OP.LEA: {
      // A constant that is added is another member.
      const isOne = has(registers, ins.memoryBase) !== has(registers, ins.memoryIndex);
      const isIndexed =
        isOne && ins.displacement === 0 && !(has(registers, ins.memoryIndex) && ins.memoryScale > 1);
      return isIndexed || places.has(ins.address) ? left | to : left;
    }
    case OP.ADD:
      return sourceKind === OPERAND.REGISTER && isSource !== has(registers, destinationRegister)
        ? left | to
        : left;
    default:
      return left;
  }
}

function has(registers: number, register: number): boolean {
  return register >= 0 && register < 16 && ((registers >>> register) & 1) === 1;
}
