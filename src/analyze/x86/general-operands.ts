import { FORM, PREFIX } from './attribute.ts';
import { FLOW, type Instruction, OP, OPERAND } from './instruction.ts';

/** Describes the operands of an instruction on general registers. */
export function describeGeneral(
  entry: number,
  form: number,
  modrm: number,
  size: number,
  into: Instruction,
): void {
  const extension = into.encodingExtension;
  const operation = into.operation;
  const g = ((modrm >> 3) & 7) | ((extension & 4) << 1);
  const z = (entry & 7) | ((extension & 1) << 3);
  switch (form) {
    case FORM.E_G:
      destinationE(modrm, size, into);
      sourceRegister(g, size, into);
      if (operation === OP.XCHG || operation === OP.XADD) into.writes |= registerBit(g, size, into);
      break;
    case FORM.G_E:
      destinationRegister(g, size, into);
      sourceE(modrm, size, into);
      if (operation === OP.CMOV) into.condition = entry & 15;
      break;
    case FORM.A_I:
      destinationRegister(0, size, into);
      into.sourceKind = OPERAND.IMMEDIATE;
      break;
    case FORM.E_I:
      destinationE(modrm, size, into);
      into.sourceKind = OPERAND.IMMEDIATE;
      break;
    case FORM.Z:
      destinationRegister(z, size, into);
      if (operation === OP.POP) into.readsMemory = 1;
      break;
    case FORM.Z_SOURCE:
      sourceRegister(z, size, into);
      into.writesMemory = 1;
      break;
    case FORM.Z_I:
      destinationRegister(z, size, into);
      into.sourceKind = OPERAND.IMMEDIATE;
      break;
    case FORM.Z_A:
      if (z === 0) {
        // xchg eax, eax does not even clear the upper half.
        into.operation = OP.NOP;
        break;
      }
      destinationRegister(z, size, into);
      sourceRegister(0, size, into);
      into.writes |= 1;
      break;
    case FORM.E:
      destinationE(modrm, size, into);
      if (operation === OP.SETCC) into.condition = entry & 15;
      else if (operation === OP.POP) into.readsMemory = 1;
      break;
    case FORM.E_SOURCE:
      sourceE(modrm, size, into);
      if (operation === OP.PUSH) into.writesMemory = 1;
      // Near calls and jumps ignore the operand-size prefix.
      else if (into.flow !== FLOW.NEXT) into.size = into.sourceSize = 8;
      break;
    case FORM.I_SOURCE:
      into.sourceKind = OPERAND.IMMEDIATE;
      into.writesMemory = 1;
      break;
    case FORM.A_O:
      destinationRegister(0, size, into);
      into.sourceKind = OPERAND.MEMORY;
      into.readsMemory = 1;
      break;
    case FORM.O_A:
      into.destinationKind = OPERAND.MEMORY;
      into.writesMemory = 1;
      sourceRegister(0, size, into);
      break;
    case FORM.E_ONE:
      destinationE(modrm, size, into);
      into.sourceKind = OPERAND.IMMEDIATE;
      into.immLow = 1;
      break;
    case FORM.E_CL:
      destinationE(modrm, size, into);
      into.sourceKind = OPERAND.REGISTER;
      into.sourceRegister = 1;
      break;
    case FORM.G_E_I:
      // Only here the destination is not an input.
      into.destinationKind = OPERAND.REGISTER;
      into.destinationRegister = g;
      into.writes |= 1 << g;
      sourceE(modrm, size, into);
      into.thirdKind = OPERAND.IMMEDIATE;
      break;
    case FORM.E_G_I:
    case FORM.E_G_CL:
      destinationE(modrm, size, into);
      sourceRegister(g, size, into);
      into.thirdKind = form === FORM.E_G_I ? OPERAND.IMMEDIATE : OPERAND.REGISTER;
      if (form === FORM.E_G_CL) into.thirdRegister = 1;
      break;
    case FORM.G_ADDRESS:
      destinationRegister(g, size, into);
      into.sourceKind = OPERAND.MEMORY;
      break;
    default: {
      const sourceSize = form === FORM.G_E1 ? 1 : form === FORM.G_E2 ? 2 : 4;
      into.sourceSize = sourceSize < size || form !== FORM.G_E4 ? sourceSize : size;
      destinationRegister(g, size, into);
      sourceE(modrm, into.sourceSize, into);
    }
  }
}

function destinationE(modrm: number, size: number, into: Instruction): void {
  if (modrm >= 0xc0) {
    destinationRegister((modrm & 7) | ((into.encodingExtension & 1) << 3), size, into);
    return;
  }
  const access = ACCESS[into.operation] as number;
  into.destinationKind = OPERAND.MEMORY;
  if ((access & READ) !== 0) into.readsMemory = 1;
  if ((access & WRITTEN) !== 0) into.writesMemory = 1;
}

function destinationRegister(register: number, size: number, into: Instruction): void {
  const access = ACCESS[into.operation] as number;
  const bit = registerBit(register, size, into);
  if ((access & READ) !== 0) into.reads |= bit;
  if ((access & WRITTEN) !== 0) into.writes |= bit;
  const high = isHigh(register, size, into);
  into.destinationKind = high ? OPERAND.REGISTER_HIGH : OPERAND.REGISTER;
  into.destinationRegister = high ? register - 4 : register;
}

function sourceE(modrm: number, size: number, into: Instruction): void {
  if (modrm >= 0xc0) {
    sourceRegister((modrm & 7) | ((into.encodingExtension & 1) << 3), size, into);
    return;
  }
  into.sourceKind = OPERAND.MEMORY;
  into.readsMemory = 1;
}

function sourceRegister(register: number, size: number, into: Instruction): void {
  into.reads |= registerBit(register, size, into);
  const high = isHigh(register, size, into);
  into.sourceKind = high ? OPERAND.REGISTER_HIGH : OPERAND.REGISTER;
  into.sourceRegister = high ? register - 4 : register;
}

/** Byte registers 4 to 7 are ah to bh, unless there is a REX prefix. */
function isHigh(register: number, size: number, into: Instruction): boolean {
  return size === 1 && (register & 12) === 4 && (into.encodingPrefixes & PREFIX.REX) === 0;
}

/** The mask bit of a register operand of `size` bytes: that of rax for ah. */
export function registerBit(register: number, size: number, into: Instruction): number {
  return 1 << (isHigh(register, size, into) ? register - 4 : register);
}

const READ = 1;
const WRITTEN = 2;

/** How each operation uses its destination. */
const ACCESS: Uint8Array = accessOfDestination();

function accessOfDestination(): Uint8Array {
  const access = new Uint8Array(64).fill(READ | WRITTEN);
  for (const only of [OP.MOV, OP.LEA, OP.POP, OP.MOVZX, OP.MOVSX, OP.MOVSXD, OP.SETCC])
    access[only] = WRITTEN;
  for (const only of [OP.CMP, OP.TEST]) access[only] = READ;
  return access;
}
