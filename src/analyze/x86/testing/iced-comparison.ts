import {
  Code,
  ConditionCode,
  type Decoder,
  FlowControl,
  Instruction as IcedInstruction,
  type InstructionInfo,
  InstructionInfoFactory,
  Mnemonic,
  OpAccess,
  OpKind,
  Register,
  RegisterExt,
} from 'iced-x86';

import { FLOW, type Instruction, OP, OPERAND, REPEAT, SEGMENT } from '../instruction.ts';

/**
 * Compares what this decoder says of an instruction with what iced-x86 says of the same bytes. iced's own words are
 * translated here by mnemonic and operands, so that nothing is shared with the tables.
 */
export class IcedComparison {
  readonly iced: IcedInstruction = new IcedInstruction();
  private readonly informer = new InstructionInfoFactory();
  private readonly accesses = new Map<string, Access>();

  /** Decodes at the decoder's position; the length, 0 if iced holds the bytes for invalid. */
  decode(decoder: Decoder): number {
    decoder.decodeOut(this.iced);
    return this.iced.isInvalid ? 0 : this.iced.length;
  }

  /** Names of the fields of `ours` that differ from the instruction decoded last. */
  differences(ours: Instruction): string[] {
    // With REX.B, F3 90 is xchg r8, rax, as the Intel manual has it under XCHG; iced says pause.
    if (this.iced.mnemonic === Mnemonic.Pause && ours.operation === OP.XCHG) return [];
    const found: string[] = [];
    const expect = (field: string, got: number, want: number): void => {
      if (got !== want) found.push(`${field} ${String(got)}, iced ${String(want)}`);
    };
    const { iced } = this;
    const flow = expectedFlow(iced);
    expect('flow', ours.flow, flow);
    const direct = flow === FLOW.JUMP || flow === FLOW.BRANCH || flow === FLOW.CALL;
    expect('target', ours.target, direct ? Number(BigInt.asIntN(64, iced.nearBranchTarget)) : -1);
    this.compareMemory(ours, expect);
    this.compareAccess(ours, expect);
    this.compareOperation(ours, expect);
    return found;
  }

  private compareMemory(ours: Instruction, expect: Expect): void {
    const { iced } = this;
    let explicit = false;
    for (let index = 0; index < iced.opCount; index++)
      // xlat's operand is rbx + al: there is no such view of an address.
      if (iced.opKind(index) === OpKind.Memory && iced.mnemonic !== Mnemonic.Xlatb) explicit = true;
    expect('hasMemory', ours.hasMemory, explicit ? 1 : 0);
    if (!explicit) return;
    if (iced.isIpRelMemoryOperand) {
      // The bounds instructions ignore the address-size prefix; nothing uses them any more.
      const bits = ours.addressSize * 8;
      const want =
        ours.addressSize === 4
          ? BigInt.asUintN(bits, iced.ipRelMemoryAddress)
          : BigInt.asIntN(bits, iced.ipRelMemoryAddress);
      expect('ripTarget', ours.ripTarget, Number(want));
      expect('memoryBase', ours.memoryBase, -1);
    } else {
      expect('ripTarget', ours.ripTarget, -1);
      expect('memoryBase', ours.memoryBase, numberOf(iced.memoryBase));
      // Vector indices above 15 have a fifth bit, which nothing needs.
      expect(
        'memoryIndex',
        ours.memoryIndex,
        iced.memoryIndex === Register.None ? -1 : numberOf(iced.memoryIndex) & 15,
      );
      if (iced.memoryIndex !== Register.None) expect('memoryScale', ours.memoryScale, iced.memoryIndexScale);
      const displacement =
        ours.addressSize === 4
          ? BigInt.asIntN(32, iced.memoryDisplacement)
          : BigInt.asIntN(64, iced.memoryDisplacement);
      expect(
        'displacement',
        ours.addressSize === 4 ? ours.displacement | 0 : ours.displacement,
        Number(displacement),
      );
    }
    const segment =
      iced.segmentPrefix === Register.FS
        ? SEGMENT.FS
        : iced.segmentPrefix === Register.GS
          ? SEGMENT.GS
          : SEGMENT.NONE;
    expect('segment', ours.segment, segment);
  }

  private compareAccess(ours: Instruction, expect: Expect): void {
    const want = this.access();
    expect('writes', ours.writes, want.writes);
    // What is more, is no error: xor r, r and the like do not depend on their input.
    expect('reads', ours.reads & want.reads, want.reads);
    expect('vectorWrites', (ours.vectorWrites & want.vectorWrites) >>> 0, want.vectorWrites >>> 0);
    // iced lets enter read the stack even without nested frames.
    if (this.iced.mnemonic !== Mnemonic.Enter) expect('readsMemory', ours.readsMemory, want.readsMemory);
    expect('writesMemory', ours.writesMemory, want.writesMemory);
  }

  /** iced's answer for the code and registers at hand, remembered because asking is slow. */
  private access(): Access {
    const { iced } = this;
    let key = `${String(iced.code)}/${String(iced.memoryBase)}/${String(iced.memoryIndex)}/${String(iced.rflagsRead)}/${iced.hasRepPrefix || iced.hasRepnePrefix ? 'r' : ''}`;
    key += `/${iced.opMask === Register.None ? '' : 'k'}${iced.segmentPrefix === Register.None ? '' : 's'}`;
    for (let index = 0; index < iced.opCount; index++)
      key += `/${iced.opKind(index) === OpKind.Register ? String(iced.opRegister(index)) : ''}`;
    let known = this.accesses.get(key);
    if (known === undefined) {
      known = accessOf(this.informer.info(iced));
      known.writes |= KERNEL_RESULT.get(iced.mnemonic) ?? 0;
      this.accesses.set(key, known);
    }
    return known;
  }

  private compareOperation(ours: Instruction, expect: Expect): void {
    const { iced } = this;
    const operation = expectedOperation(iced);
    expect('operation', ours.operation, operation);
    const flow = ours.flow === FLOW.JUMP_INDIRECT || ours.flow === FLOW.CALL_INDIRECT;
    if (operation === OP.OTHER && !flow) {
      expect('destinationKind', ours.destinationKind, OPERAND.NONE);
      if (iced.mnemonic === Mnemonic.Int) expect('immLow', ours.immLow, iced.immediate8);
      return;
    }
    if (operation === OP.NOP) return;
    if (operation >= OP.MOVS && operation <= OP.CMPS) {
      const repeat = iced.hasRepePrefix ? REPEAT.REP : iced.hasRepnePrefix ? REPEAT.REPNE : REPEAT.NONE;
      expect('repeat', ours.repeat, repeat);
      return;
    }
    if (operation === OP.CBW || operation === OP.CWD || operation === OP.LEAVE) return;
    if (operation === OP.CMOV || operation === OP.SETCC || ours.flow === FLOW.BRANCH)
      this.compareCondition(ours, expect);
    const [destination, source, third] = operandOrder(iced, operation, flow);
    this.compareOperand(
      'destination',
      ours.destinationKind,
      ours.destinationRegister,
      ours,
      destination,
      expect,
    );
    this.compareOperand('source', ours.sourceKind, ours.sourceRegister, ours, source, expect);
    this.compareOperand('third', ours.thirdKind, ours.thirdRegister, ours, third, expect);
    this.compareSize(ours, destination, source, expect);
  }

  private compareCondition(ours: Instruction, expect: Expect): void {
    // iced numbers conditions from 1 in the order of the encoding.
    expect('condition', ours.condition, this.iced.conditionCode - 1);
  }

  private compareOperand(
    name: string,
    kind: number,
    register: number,
    ours: Instruction,
    index: number,
    expect: Expect,
  ): void {
    const { iced } = this;
    if (index < 0 || index >= iced.opCount) {
      expect(`${name}Kind`, kind, OPERAND.NONE);
      return;
    }
    const opKind = iced.opKind(index);
    if (opKind === OpKind.Memory) {
      expect(`${name}Kind`, kind, OPERAND.MEMORY);
    } else if (opKind === OpKind.Register) {
      const wanted = iced.opRegister(index);
      const high = wanted >= Register.AH && wanted <= Register.BH;
      const vector = RegisterExt.isVectorRegister(wanted);
      expect(`${name}Kind`, kind, high ? OPERAND.REGISTER_HIGH : vector ? OPERAND.VECTOR : OPERAND.REGISTER);
      expect(`${name}Register`, register, high ? wanted - Register.AH : numberOf(wanted));
    } else {
      expect(`${name}Kind`, kind, OPERAND.IMMEDIATE);
      const value = iced.immediate(index);
      const bits = BigInt(
        opKind === OpKind.Immediate8
          ? 8
          : opKind === OpKind.Immediate16
            ? 16
            : opKind === OpKind.Immediate32
              ? 32
              : 64,
      );
      const counts = ours.operation >= OP.ROL && ours.operation <= OP.SHRD;
      const wide = counts || ours.operation === OP.PINSRQ ? value : BigInt.asIntN(Number(bits), value);
      expect('immLow', ours.immLow, Number(BigInt.asIntN(32, wide)));
      expect('immHigh', ours.immHigh, Number(BigInt.asIntN(32, wide >> 32n)));
    }
  }

  private compareSize(ours: Instruction, destination: number, source: number, expect: Expect): void {
    const { iced } = this;
    const register = [destination, source].find(
      (index) =>
        index >= 0 &&
        index < iced.opCount &&
        iced.opKind(index) === OpKind.Register &&
        RegisterExt.isGPR(iced.opRegister(index)),
    );
    if (register === undefined || ours.operation === OP.SHL || ours.operation === OP.SHR) return;
    const size = RegisterExt.size(iced.opRegister(register));
    if (register === source && destination >= 0 && ours.operation >= OP.ROL && ours.operation <= OP.SAR)
      return;
    expect('size', register === destination ? ours.size : ours.sourceSize, size);
  }
}

type Expect = (field: string, got: number, want: number) => void;
type Access = {
  writes: number;
  reads: number;
  vectorWrites: number;
  readsMemory: number;
  writesMemory: number;
};

/** What the kernel changes on top of the instruction. */
const KERNEL_RESULT: ReadonlyMap<Mnemonic, number> = new Map([
  [Mnemonic.Syscall, 1],
  [Mnemonic.Sysenter, 1],
  [Mnemonic.Int, 1],
]);

function accessOf(info: InstructionInfo): Access {
  const access: Access = { writes: 0, reads: 0, vectorWrites: 0, readsMemory: 0, writesMemory: 0 };
  for (const used of info.usedRegisters()) {
    const { register } = used;
    const reads = READING.has(used.access);
    const writes = WRITING.has(used.access);
    if (RegisterExt.isGPR(register)) {
      if (reads) access.reads |= 1 << numberOf(register);
      if (writes) access.writes |= 1 << numberOf(register);
    } else if (RegisterExt.isVectorRegister(register) && writes)
      access.vectorWrites |= 1 << numberOf(register);
    used.free();
  }
  for (const used of info.usedMemory()) {
    if (READING.has(used.access)) access.readsMemory = 1;
    if (WRITING.has(used.access)) access.writesMemory = 1;
    used.free();
  }
  info.free();
  return access;
}

const READING: ReadonlySet<OpAccess> = new Set([
  OpAccess.Read,
  OpAccess.CondRead,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);
const WRITING: ReadonlySet<OpAccess> = new Set([
  OpAccess.Write,
  OpAccess.CondWrite,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);

const NUMBERS = new Map<Register, number>();

function numberOf(register: Register): number {
  if (register === Register.None) return -1;
  let number = NUMBERS.get(register);
  if (number === undefined) {
    number = RegisterExt.number(RegisterExt.isGPR(register) ? RegisterExt.fullRegister(register) : register);
    NUMBERS.set(register, number);
  }
  return number;
}

function expectedFlow(iced: IcedInstruction): number {
  switch (iced.mnemonic) {
    case Mnemonic.Syscall:
      return FLOW.SYSCALL;
    case Mnemonic.Sysenter:
      return FLOW.SYSENTER;
    case Mnemonic.Int:
      return FLOW.INTERRUPT;
    case Mnemonic.Int1:
    case Mnemonic.Int3:
    case Mnemonic.Hlt:
    case Mnemonic.Ud0:
    case Mnemonic.Ud1:
    case Mnemonic.Ud2:
      return FLOW.TRAP;
    case Mnemonic.Xbegin:
      return FLOW.BRANCH;
    default:
  }
  switch (iced.flowControl) {
    case FlowControl.UnconditionalBranch:
      return FLOW.JUMP;
    case FlowControl.IndirectBranch:
      return FLOW.JUMP_INDIRECT;
    case FlowControl.ConditionalBranch:
      return FLOW.BRANCH;
    case FlowControl.Return:
      return FLOW.RETURN;
    case FlowControl.IndirectCall:
      return FLOW.CALL_INDIRECT;
    // Besides call also vmcall and the like, after which control comes back.
    case FlowControl.Call:
      return iced.mnemonic === Mnemonic.Call ? FLOW.CALL : FLOW.NEXT;
    default:
      return FLOW.NEXT;
  }
}

/** Which operand is destination, source, third; -1 none. */
function operandOrder(iced: IcedInstruction, operation: number, indirect: boolean): [number, number, number] {
  if (indirect || operation === OP.PUSH) return [-1, 0, -1];
  if (iced.opCount === 1 && SOURCE_ONLY.has(operation)) return [-1, 0, -1];
  if (
    iced.opCount >= 3 &&
    (operation === OP.PUNPCKLQDQ ||
      operation === OP.VECTOR_XOR ||
      isHalf(operation) ||
      iced.mnemonic === Mnemonic.Vpinsrq)
  )
    return [0, 2, 1];
  if (operation === OP.PINSRQ) return [0, 1, -1];
  return [0, 1, 2];
}

function isHalf(operation: number): boolean {
  return operation === OP.VECTOR_MOVE_HIGH || operation === OP.VECTOR_MOVE_LOW;
}

const SOURCE_ONLY: ReadonlySet<number> = new Set([OP.MUL, OP.IMUL, OP.DIV, OP.IDIV]);

function expectedOperation(iced: IcedInstruction): number {
  const { mnemonic } = iced;
  // movsd and cmpsd are names of two instructions each.
  if (iced.isStringInstruction) return STRING.get((Mnemonic[mnemonic] ?? '').slice(0, 4)) ?? OP.OTHER;
  const general = GENERAL.get(mnemonic);
  if (general === OP.MOV || general === OP.PUSH || general === OP.POP)
    return namesGeneralRegisters(iced) ? general : OP.OTHER;
  if (general !== undefined) return general;
  const name = Mnemonic[mnemonic] ?? '';
  if (/^(Cmov|Fcmov)/.test(name)) return name.startsWith('C') ? OP.CMOV : OP.OTHER;
  if (/^Set[a-z]{1,2}$/.test(name) && iced.conditionCode !== ConditionCode.None) return OP.SETCC;
  if (/^(Prefetch|Endbr|Reservednop)/.test(name))
    return name === 'Reservednop' && !isPlainHint(iced) ? OP.OTHER : OP.NOP;
  return vectorOperation(iced, name);
}

/** 0F 1A and 1B belong to bounds checking. */
function isPlainHint(iced: IcedInstruction): boolean {
  return !/_0F1[AB]$/.test(Code[iced.code] ?? '');
}

function vectorOperation(iced: IcedInstruction, name: string): number {
  if (iced.opMask !== Register.None || iced.isBroadcast) return OP.OTHER;
  let mmx = false;
  let memory = false;
  for (let index = 0; index < iced.opCount; index++) {
    if (iced.opKind(index) === OpKind.Memory) memory = true;
    if (iced.opKind(index) === OpKind.Register && RegisterExt.isMM(iced.opRegister(index))) mmx = true;
  }
  if (mmx) return OP.OTHER;
  const plain = name.replace(/^V/, '').toLowerCase();
  if (/^(mov(aps|apd|ups|upd|dqa(32|64)?|dqu(8|16|32|64)?|ntps|ntpd|ntdq|ntdqa|d|q)|lddqu)$/.test(plain))
    return OP.VECTOR_MOVE;
  if (/^mov(ss|sd)$/.test(plain)) return memory ? OP.VECTOR_MOVE : OP.OTHER;
  if (/^movhp[sd]$/.test(plain)) return OP.VECTOR_MOVE_HIGH;
  if (/^movlp[sd]$/.test(plain)) return OP.VECTOR_MOVE_LOW;
  if (/^(movlhps|punpcklqdq)$/.test(plain)) return OP.PUNPCKLQDQ;
  if (/^(xorp[sd]|pxor[dq]?)$/.test(plain)) return OP.VECTOR_XOR;
  return plain === 'pinsrq' ? OP.PINSRQ : OP.OTHER;
}

/** Not segment, control, debug or vector registers. */
function namesGeneralRegisters(iced: IcedInstruction): boolean {
  for (let index = 0; index < iced.opCount; index++) {
    if (iced.opKind(index) === OpKind.Register && !RegisterExt.isGPR(iced.opRegister(index))) return false;
  }
  return true;
}

const STRING: ReadonlyMap<string, number> = new Map([
  ['Movs', OP.MOVS],
  ['Stos', OP.STOS],
  ['Lods', OP.LODS],
  ['Scas', OP.SCAS],
  ['Cmps', OP.CMPS],
]);

const GENERAL: ReadonlyMap<Mnemonic, number> = new Map([
  [Mnemonic.Mov, OP.MOV],
  [Mnemonic.Lea, OP.LEA],
  [Mnemonic.Add, OP.ADD],
  [Mnemonic.Or, OP.OR],
  [Mnemonic.Adc, OP.ADC],
  [Mnemonic.Sbb, OP.SBB],
  [Mnemonic.And, OP.AND],
  [Mnemonic.Sub, OP.SUB],
  [Mnemonic.Xor, OP.XOR],
  [Mnemonic.Cmp, OP.CMP],
  [Mnemonic.Test, OP.TEST],
  [Mnemonic.Rol, OP.ROL],
  [Mnemonic.Ror, OP.ROR],
  [Mnemonic.Rcl, OP.RCL],
  [Mnemonic.Rcr, OP.RCR],
  [Mnemonic.Shl, OP.SHL],
  [Mnemonic.Sal, OP.SHL],
  [Mnemonic.Shr, OP.SHR],
  [Mnemonic.Sar, OP.SAR],
  [Mnemonic.Shld, OP.SHLD],
  [Mnemonic.Shrd, OP.SHRD],
  [Mnemonic.Neg, OP.NEG],
  [Mnemonic.Not, OP.NOT],
  [Mnemonic.Inc, OP.INC],
  [Mnemonic.Dec, OP.DEC],
  [Mnemonic.Mul, OP.MUL],
  [Mnemonic.Imul, OP.IMUL],
  [Mnemonic.Div, OP.DIV],
  [Mnemonic.Idiv, OP.IDIV],
  [Mnemonic.Push, OP.PUSH],
  [Mnemonic.Pop, OP.POP],
  [Mnemonic.Movzx, OP.MOVZX],
  [Mnemonic.Movsx, OP.MOVSX],
  [Mnemonic.Movsxd, OP.MOVSXD],
  [Mnemonic.Xchg, OP.XCHG],
  [Mnemonic.Cmpxchg, OP.CMPXCHG],
  [Mnemonic.Xadd, OP.XADD],
  [Mnemonic.Bswap, OP.BSWAP],
  [Mnemonic.Cbw, OP.CBW],
  [Mnemonic.Cwde, OP.CBW],
  [Mnemonic.Cdqe, OP.CBW],
  [Mnemonic.Cwd, OP.CWD],
  [Mnemonic.Cdq, OP.CWD],
  [Mnemonic.Cqo, OP.CWD],
  [Mnemonic.Leave, OP.LEAVE],
  [Mnemonic.Nop, OP.NOP],
  [Mnemonic.Pause, OP.NOP],
  [Mnemonic.Cldemote, OP.NOP],
]);
