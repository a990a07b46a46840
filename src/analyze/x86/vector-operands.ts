import { FORM, VECTOR, WIDTH } from './attribute.ts';
import { type Instruction, OP, OPERAND } from './instruction.ts';
import { TABLES } from './tables.ts';

const { widths: WIDTHS } = TABLES;

/** Describes the vector instructions that have a name in {@link OP}; what does something else becomes OTHER. */
export function describeVector(entry: number, form: number, modrm: number, into: Instruction): void {
  const extension = into.encodingExtension;
  const vector = into.encodingVector;
  const reg = ((modrm >> 3) & 7) | ((extension & 4) << 1) | (extension & 16);
  const register = modrm >= 0xc0;
  const size = operandWidth(WIDTHS[entry] as number, extension, vector);
  // Masked and broadcast operands are no plain moves.
  if ((vector & (VECTOR.MASK | VECTOR.B)) !== 0) {
    into.operation = OP.OTHER;
    return;
  }
  into.size = size;
  into.sourceSize = size;
  switch (form) {
    case FORM.V_W:
    case FORM.W_V:
      // movss and movsd between registers keep the upper part; movq has a width of its own.
      if (register && (WIDTHS[entry] as number) === WIDTH.SCALAR_4) into.operation = OP.OTHER;
      else if (register && (WIDTHS[entry] as number) === WIDTH.SCALAR_8) into.operation = OP.OTHER;
      else if (form === FORM.V_W) move(reg, modrm, true, into);
      else move(reg, modrm, false, into);
      break;
    case FORM.V_E:
      destinationVector(reg, into);
      if (register) {
        into.sourceKind = OPERAND.REGISTER;
        into.sourceRegister = (modrm & 7) | ((extension & 1) << 3);
      } else into.sourceKind = OPERAND.MEMORY;
      break;
    case FORM.E_V:
      into.sourceKind = OPERAND.VECTOR;
      into.sourceRegister = reg;
      into.vectorWrites = 0;
      if (register) {
        into.destinationKind = OPERAND.REGISTER;
        into.destinationRegister = (modrm & 7) | ((extension & 1) << 3);
      } else into.destinationKind = OPERAND.MEMORY;
      break;
    case FORM.V_H_M:
      halfFromMemory(reg, modrm, into);
      break;
    case FORM.M_V:
      into.size = into.sourceSize = 8;
      into.destinationKind = OPERAND.MEMORY;
      into.sourceKind = OPERAND.VECTOR;
      into.sourceRegister = reg;
      into.vectorWrites = 0;
      break;
    case FORM.V_H_W:
      destinationVector(reg, into);
      sourceVector(modrm, into);
      thirdVector(into);
      break;
    default:
      // pinsrd fills a quarter.
      if (size !== 8) {
        into.operation = OP.OTHER;
        break;
      }
      destinationVector(reg, into);
      into.sourceKind = register ? OPERAND.REGISTER : OPERAND.MEMORY;
      into.sourceRegister = register ? (modrm & 7) | ((extension & 1) << 3) : -1;
      thirdVector(into);
  }
}

function operandWidth(width: number, extension: number, vector: number): number {
  switch (width) {
    case WIDTH.FULL:
      return 16 << ((vector >> VECTOR.LENGTH_SHIFT) & 3);
    case WIDTH.BY_W:
      return (extension & 8) !== 0 ? 8 : 4;
    case WIDTH.SCALAR_4:
      return 4;
    default:
      return 8;
  }
}

function move(reg: number, modrm: number, load: boolean, into: Instruction): void {
  if (load) {
    destinationVector(reg, into);
    sourceVector(modrm, into);
    return;
  }
  into.vectorWrites = 0;
  into.sourceKind = OPERAND.VECTOR;
  into.sourceRegister = reg;
  if (modrm >= 0xc0) destinationVector(vectorRm(modrm, into), into);
  else into.destinationKind = OPERAND.MEMORY;
}

function halfFromMemory(reg: number, modrm: number, into: Instruction): void {
  if (modrm < 0xc0) {
    into.size = into.sourceSize = 8;
    destinationVector(reg, into);
    into.sourceKind = OPERAND.MEMORY;
    thirdVector(into);
    return;
  }
  // Between registers the low form is movhlps; the high form, movlhps, does what punpcklqdq does.
  if (into.operation === OP.VECTOR_MOVE_LOW) {
    into.operation = OP.OTHER;
    return;
  }
  into.operation = OP.PUNPCKLQDQ;
  destinationVector(reg, into);
  sourceVector(modrm, into);
  thirdVector(into);
}

function destinationVector(register: number, into: Instruction): void {
  into.destinationKind = OPERAND.VECTOR;
  into.destinationRegister = register;
  into.vectorWrites = 1 << register;
}

function sourceVector(modrm: number, into: Instruction): void {
  if (modrm < 0xc0) {
    into.sourceKind = OPERAND.MEMORY;
    return;
  }
  into.sourceKind = OPERAND.VECTOR;
  into.sourceRegister = vectorRm(modrm, into);
}

/** The first input of a VEX or EVEX instruction; legacy instructions use the destination. */
function thirdVector(into: Instruction): void {
  if ((into.encodingVector & VECTOR.VEX) === 0) return;
  into.thirdKind = OPERAND.VECTOR;
  into.thirdRegister = into.encodingVector & VECTOR.VVVV;
}

function vectorRm(modrm: number, into: Instruction): number {
  const extension = into.encodingExtension;
  return (
    (modrm & 7) |
    ((extension & 1) << 3) |
    ((into.encodingVector & VECTOR.EVEX) !== 0 ? (extension & 2) << 3 : 0)
  );
}
