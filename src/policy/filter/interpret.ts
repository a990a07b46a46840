import { BPF, BPF_CLASS, BPF_MEMWORDS, BPF_OP, type Instruction } from './cbpf.ts';
import { PolicyError } from './policy-error.ts';
import { packSeccompData, SECCOMP_DATA_SIZE, type SeccompData } from './seccomp-data.ts';

/**
 * Runs a program as the kernel does for a call and gives the value that it returns; see `decodeAction`.
 *
 * Division by a register that is zero ends the program with 0, shifts take their distance modulo 32, registers
 * and memory begin as 0 (bpf_convert_filter of net/core/filter.c).
 *
 * @throws {PolicyError} at an instruction that `validateProgram` would refuse.
 */
export function interpretProgram(program: readonly Instruction[], data: SeccompData): number {
  return interpretWords(program, packSeccompData(data));
}

/** As `interpretProgram`, over data that has been packed before: quicker for many programs or calls. */
export function interpretWords(program: readonly Instruction[], words: Uint32Array): number {
  let a = 0;
  let x = 0;
  let memory: Uint32Array | undefined;
  for (let pc = 0; pc < program.length; pc++) {
    const instruction = program[pc]!;
    const { code, k } = instruction;
    switch (code & BPF_CLASS) {
      case BPF.LD:
      case BPF.LDX: {
        let value: number | undefined;
        if (code === (BPF.LD | BPF.W | BPF.ABS)) value = k % 4 === 0 ? words[k / 4] : undefined;
        else if ((code & ~1) === (BPF.W | BPF.LEN)) value = SECCOMP_DATA_SIZE;
        else if ((code & ~1) === BPF.IMM) value = k;
        else if ((code & ~1) === BPF.MEM && k < BPF_MEMWORDS) value = memory?.[k] ?? 0;
        if (value === undefined) throw illegal(instruction, pc);
        if ((code & 1) === BPF.LD) a = value;
        else x = value;
        break;
      }
      case BPF.ST:
      case BPF.STX:
        if ((code !== BPF.ST && code !== BPF.STX) || k >= BPF_MEMWORDS) throw illegal(instruction, pc);
        memory ??= new Uint32Array(BPF_MEMWORDS);
        memory[k] = code === BPF.ST ? a : x;
        break;
      case BPF.ALU: {
        const operand = (code & BPF.X) === 0 ? k : x;
        if (code === (BPF.ALU | BPF.DIV | BPF.X) && x === 0) return 0;
        const result = calculate(code, a, operand);
        if (result === undefined) throw illegal(instruction, pc);
        a = result;
        break;
      }
      case BPF.JMP: {
        if (code === (BPF.JMP | BPF.JA)) {
          pc += k;
          break;
        }
        const taken = compare(code, a, (code & BPF.X) === 0 ? k : x);
        if (taken === undefined) throw illegal(instruction, pc);
        pc += taken ? instruction.jt : instruction.jf;
        break;
      }
      case BPF.RET:
        if (code === (BPF.RET | BPF.K)) return k;
        if (code === (BPF.RET | BPF.A)) return a;
        throw illegal(instruction, pc);
      default:
        if (code === (BPF.MISC | BPF.TAX)) x = a;
        else if (code === (BPF.MISC | BPF.TXA)) a = x;
        else throw illegal(instruction, pc);
    }
  }
  throw new PolicyError(`cbpf: the program runs past its end (${program.length} instructions)`, '');
}

/** The result of an arithmetic instruction, unsigned 32 bits, or undefined if there is none of that code. */
export function calculate(code: number, a: number, operand: number): number | undefined {
  if ((code & ~(BPF_OP | BPF.X)) !== BPF.ALU) return undefined;
  switch (code & BPF_OP) {
    case BPF.ADD:
      return (a + operand) >>> 0;
    case BPF.SUB:
      return (a - operand) >>> 0;
    case BPF.MUL:
      return Math.imul(a, operand) >>> 0;
    case BPF.DIV:
      return operand === 0 ? undefined : Math.floor(a / operand);
    case BPF.OR:
      return (a | operand) >>> 0;
    case BPF.AND:
      return (a & operand) >>> 0;
    case BPF.XOR:
      return (a ^ operand) >>> 0;
    case BPF.LSH:
      return (a << operand) >>> 0;
    case BPF.RSH:
      return a >>> operand;
    case BPF.NEG:
      return code === (BPF.ALU | BPF.NEG) ? -a >>> 0 : undefined;
    default:
      return undefined;
  }
}

/** Whether a conditional jump is taken, or undefined if there is none of that code. */
export function compare(code: number, a: number, operand: number): boolean | undefined {
  if ((code & ~(BPF_OP | BPF.X)) !== BPF.JMP) return undefined;
  switch (code & BPF_OP) {
    case BPF.JEQ:
      return a === operand;
    case BPF.JGT:
      return a > operand;
    case BPF.JGE:
      return a >= operand;
    case BPF.JSET:
      return (a & operand) !== 0;
    default:
      return undefined;
  }
}

function illegal({ code, k }: Instruction, pc: number): PolicyError {
  return new PolicyError(
    `cbpf: instruction ${pc} cannot be run, code 0x${code.toString(16)} k 0x${k.toString(16)}`,
    '',
  );
}
