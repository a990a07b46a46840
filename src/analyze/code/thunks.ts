import { decodeInstruction } from '../x86/decoder.ts';
import { FLOW, type Instruction } from '../x86/instruction.ts';

/**
 * Thunks of retpolines, which gcc, clang, lld and Go make in place of indirect calls and jumps, and of returns: a call of a _diversion_,
 * code that puts something else in place of its return address and returns to that, and behind the call a loop to which nothing but
 * speculation comes. A direct call or jump to a thunk is taken for the indirect one, or the return, that it stands for.
 */

/** No diversion. Others go to the address in a register, by its number, */
const NONE = -1;
/** or return for who calls them. */
const RETURN = 16;

/** `call rel32`. */
const CALL = 0xe8;
const CALL_LENGTH = 5;

/** Instructions that calls and jumps stand for, of so many bytes each: jumps through a register, the return, calls through a register. */
const STAND_IN_SIZE = 4;
const FIRST_CALL = RETURN + 1;
const STAND_INS = standIns();

/**
 * Makes of a direct call or jump that was scanned and that goes to a thunk, or to the diversion itself, what it stands for: `flow`, `target` and
 * `traits` are those of that. Length and address stay.
 *
 * @param offset Of the target.
 */
export function seeThrough(bytes: Uint8Array, offset: number, into: Instruction): void {
  const first = bytes[offset] as number;
  if (first === CALL) {
    const to = diversionAt(bytes, offset + CALL_LENGTH + distanceAt(bytes, offset + 1));
    if (to === NONE) return;
    if (into.flow === FLOW.JUMP) standFor(into, to);
    // A call of what returns at once stays one.
    else if (to !== RETURN) standFor(into, FIRST_CALL + to);
  } else if (into.flow === FLOW.CALL && (first & 0xfb) === 0x48) {
    const to = diversionAt(bytes, offset);
    if (to !== NONE) standFor(into, to);
  }
}

/** Whether an instruction stands for another one. */
export function isSeenThrough(ins: Instruction): boolean {
  return ins.encodingModrm < 0;
}

/** Fills in the remaining fields of what stands for another instruction: they are those of that. */
export function describeThrough(into: Instruction): void {
  const { length, encodingModrm } = into;
  const at = ~encodingModrm * STAND_IN_SIZE;
  decodeInstruction(STAND_INS, at, at + STAND_IN_SIZE, into.address, into);
  into.length = length;
  into.encodingModrm = encodingModrm;
}

function standFor(into: Instruction, standIn: number): void {
  into.flow = standIn === RETURN ? FLOW.RETURN : standIn < RETURN ? FLOW.JUMP_INDIRECT : FLOW.CALL_INDIRECT;
  into.target = -1;
  into.encodingModrm = ~standIn;
}

/** Where the code at an offset goes after a call of it: `mov %rax, (%rsp); ret` or `lea 8(%rsp), %rsp; ret`. */
function diversionAt(bytes: Uint8Array, offset: number): number {
  const prefix = bytes[offset] as number;
  if ((prefix !== 0x48 && prefix !== 0x4c) || bytes[offset + 3] !== 0x24) return NONE;
  const operands = bytes[offset + 2] as number;
  switch (bytes[offset + 1]) {
    case 0x89:
      return (operands & 0xc7) === 0x04 && bytes[offset + 4] === 0xc3
        ? ((operands >> 3) & 7) | ((prefix & 4) << 1)
        : NONE;
    case 0x8d:
      return prefix === 0x48 && operands === 0x64 && bytes[offset + 4] === 8 && bytes[offset + 5] === 0xc3
        ? RETURN
        : NONE;
    default:
      return NONE;
  }
}

function distanceAt(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] as number) |
    ((bytes[offset + 1] as number) << 8) |
    ((bytes[offset + 2] as number) << 16) |
    ((bytes[offset + 3] as number) << 24)
  );
}

function standIns(): Uint8Array {
  const bytes = new Uint8Array((FIRST_CALL + 16) * STAND_IN_SIZE);
  for (let register = 0; register < 16; register++) {
    const prefix = 0x40 | (register >> 3);
    bytes.set([prefix, 0xff, 0xe0 | (register & 7)], register * STAND_IN_SIZE);
    bytes.set([prefix, 0xff, 0xd0 | (register & 7)], (FIRST_CALL + register) * STAND_IN_SIZE);
  }
  bytes[RETURN * STAND_IN_SIZE] = 0xc3;
  return bytes;
}
