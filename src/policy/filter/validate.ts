import { BPF, BPF_CLASS, BPF_MAXINSNS, BPF_MEMWORDS, BPF_OP, type Instruction } from './cbpf.ts';
import { SECCOMP_DATA_SIZE } from './seccomp-data.ts';

/** Why the kernel refuses a program (with EINVAL). */
export interface Refusal {
  /** Index of the instruction; null if it is the program as a whole. */
  readonly index: number | null;
  readonly reason: string;
}

/**
 * Checks a program as the kernel does when it is installed: empty if it would be accepted.
 *
 * Source: bpf_check_classic and check_load_and_stores of net/core/filter.c, seccomp_check_filter of
 * kernel/seccomp.c. That memory is written before it is read is looked at only if nothing else is wrong.
 */
export function validateProgram(program: readonly Instruction[]): Refusal[] {
  if (program.length === 0) return [{ index: null, reason: 'no instructions' }];
  if (program.length > BPF_MAXINSNS) {
    return [{ index: null, reason: `${program.length} instructions (${BPF_MAXINSNS})` }];
  }
  const refusals: Refusal[] = [];
  for (const [index, instruction] of program.entries()) {
    const reason = checkInstruction(instruction, program.length - index - 1);
    if (reason !== undefined) refusals.push({ index, reason });
  }
  const last = program.length - 1;
  const { code } = program[last]!;
  if (code !== (BPF.RET | BPF.K) && code !== (BPF.RET | BPF.A)) {
    refusals.push({ index: last, reason: 'the last instruction is not a return' });
  }
  return refusals.length > 0 ? refusals : checkMemory(program);
}

const SOURCES = [BPF.K, BPF.X];
const OPERATIONS = [BPF.ADD, BPF.SUB, BPF.MUL, BPF.DIV, BPF.AND, BPF.OR, BPF.XOR, BPF.LSH, BPF.RSH];
const JUMPS = [BPF.JEQ, BPF.JGT, BPF.JGE, BPF.JSET];

/** As listed by seccomp_check_filter: no modulo, no loads of bytes, halves or at X. */
const ALLOWED_CODES: ReadonlySet<number> = new Set<number>([
  BPF.LD | BPF.W | BPF.ABS,
  BPF.LD | BPF.W | BPF.LEN,
  BPF.LDX | BPF.W | BPF.LEN,
  BPF.LD | BPF.IMM,
  BPF.LDX | BPF.IMM,
  BPF.LD | BPF.MEM,
  BPF.LDX | BPF.MEM,
  BPF.ST,
  BPF.STX,
  BPF.RET | BPF.K,
  BPF.RET | BPF.A,
  BPF.MISC | BPF.TAX,
  BPF.MISC | BPF.TXA,
  BPF.ALU | BPF.NEG,
  BPF.JMP | BPF.JA,
  ...OPERATIONS.flatMap((operation) => SOURCES.map((source) => BPF.ALU | operation | source)),
  ...JUMPS.flatMap((jump) => SOURCES.map((source) => BPF.JMP | jump | source)),
]);

/** `behind` is the number of instructions that follow. */
function checkInstruction({ code, jt, jf, k }: Instruction, behind: number): string | undefined {
  if (!ALLOWED_CODES.has(code)) return `code 0x${code.toString(16)} is not allowed in a seccomp filter`;
  switch (code & BPF_CLASS) {
    case BPF.LD:
    case BPF.LDX:
    case BPF.ST:
    case BPF.STX:
      return checkAddress(code, k);
    case BPF.ALU:
      if (code === (BPF.ALU | BPF.DIV | BPF.K) && k === 0) return 'division by zero';
      if ((code === (BPF.ALU | BPF.LSH | BPF.K) || code === (BPF.ALU | BPF.RSH | BPF.K)) && k >= 32) {
        return `shift by ${k} (31)`;
      }
      return undefined;
    case BPF.JMP: {
      const farthest = (code & BPF_OP) === BPF.JA ? k : Math.max(jt, jf);
      return farthest >= behind
        ? `jump by ${farthest}, past the end (${Math.max(behind - 1, 0)})`
        : undefined;
    }
    default:
      return undefined;
  }
}

function checkAddress(code: number, k: number): string | undefined {
  if (code === (BPF.LD | BPF.W | BPF.ABS)) {
    if (k % 4 !== 0) return `load at ${k}, which is not a multiple of 4`;
    return k >= SECCOMP_DATA_SIZE
      ? `load at ${k}, past the end of the data (${SECCOMP_DATA_SIZE})`
      : undefined;
  }
  const memory = code === BPF.ST || code === BPF.STX || (code & ~1) === BPF.MEM;
  return memory && k >= BPF_MEMWORDS ? `memory cell ${k} (${BPF_MEMWORDS - 1})` : undefined;
}

/** A cell may be read only if it has been written on every way to the read. */
function checkMemory(program: readonly Instruction[]): Refusal[] {
  const ALL = 0xffff;
  const written = new Uint16Array(program.length).fill(ALL);
  let valid = 0;
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    valid &= written[index]!;
    if (code === BPF.ST || code === BPF.STX) {
      valid |= 1 << k;
    } else if ((code & ~1) === BPF.MEM) {
      if ((valid & (1 << k)) === 0)
        return [{ index, reason: `memory cell ${k} is read before it is written` }];
    } else if ((code & BPF_CLASS) === BPF.JMP) {
      const targets = (code & BPF_OP) === BPF.JA ? [k] : [jt, jf];
      for (const target of targets) written[index + 1 + target]! &= valid;
      // What follows a jump is reached by jumps only. The kernel does not do the same behind a return.
      valid = ALL;
    }
  }
  return [];
}
