import { AUDIT_ARCH } from '../../abi/arch.ts';
import { decodeAction, formatAction } from './action.ts';
import { BPF, BPF_CLASS, BPF_OP, type Instruction } from './cbpf.ts';
import { identifyCall } from './evaluate.ts';
import type { NameResolver } from './pfc.ts';
import { formatWord, WORD } from './seccomp-data.ts';

/**
 * A program as text, one line per instruction without newline:
 * `0007: 0x15 0x00 0x03 0x00000101  jeq 0x101, +0, +3  ; openat`.
 *
 * The fields are index, code, jt, jf and k; then the instruction in words, where `+n` skips n instructions; then
 * what is compared or returned, as far as it is the same on every way there. Any program can be printed, valid or not.
 */
export function disassembleProgram(program: readonly Instruction[], nameOf: NameResolver): string[] {
  const states = followStates(program);
  return program.map((instruction, index) => {
    const { code, jt, jf, k } = instruction;
    const fields = `${hex(code, 2)} ${hex(jt, 2)} ${hex(jf, 2)} ${hex(k, 8)}`;
    const comment = describe(instruction, states[index], nameOf);
    const words = mnemonic(instruction);
    return `${String(index).padStart(4, '0')}: ${fields}  ${words}${comment === undefined ? '' : `  ; ${comment}`}`;
  });
}

/** What is known before an instruction: the word in the accumulator and the AUDIT_ARCH; undefined if it varies. */
interface State {
  readonly word: number | undefined;
  readonly arch: number | undefined;
}

const OPERATION: Readonly<Record<number, string>> = {
  [BPF.ADD]: 'add',
  [BPF.SUB]: 'sub',
  [BPF.MUL]: 'mul',
  [BPF.DIV]: 'div',
  [BPF.OR]: 'or',
  [BPF.AND]: 'and',
  [BPF.LSH]: 'lsh',
  [BPF.RSH]: 'rsh',
  [BPF.XOR]: 'xor',
};

const JUMP: Readonly<Record<number, string>> = {
  [BPF.JEQ]: 'jeq',
  [BPF.JGT]: 'jgt',
  [BPF.JGE]: 'jge',
  [BPF.JSET]: 'jset',
};

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

function mnemonic({ code, jt, jf, k }: Instruction): string {
  const operand = (code & BPF.X) === 0 ? hex(k, 1) : 'x';
  switch (code & BPF_CLASS) {
    case BPF.LD:
    case BPF.LDX: {
      const name = (code & 1) === BPF.LD ? 'ld' : 'ldx';
      if (code === (BPF.LD | BPF.W | BPF.ABS)) return `ld [${k}]`;
      if ((code & ~1) === BPF.IMM) return `${name} #${hex(k, 1)}`;
      if ((code & ~1) === BPF.MEM) return `${name} M[${k}]`;
      if ((code & ~1) === (BPF.W | BPF.LEN)) return `${name} len`;
      break;
    }
    case BPF.ST:
    case BPF.STX:
      if (code === BPF.ST || code === BPF.STX) return `${code === BPF.ST ? 'st' : 'stx'} M[${k}]`;
      break;
    case BPF.ALU: {
      if (code === (BPF.ALU | BPF.NEG)) return 'neg';
      const name = OPERATION[code & ~(BPF_CLASS | BPF.X)];
      if (name !== undefined) return `${name} ${operand}`;
      break;
    }
    case BPF.JMP: {
      if (code === (BPF.JMP | BPF.JA)) return `ja +${k}`;
      const name = JUMP[code & ~(BPF_CLASS | BPF.X)];
      if (name !== undefined) return `${name} ${operand}, +${jt}, +${jf}`;
      break;
    }
    case BPF.RET:
      if (code === (BPF.RET | BPF.K)) return `ret ${hex(k, 8)}`;
      if (code === (BPF.RET | BPF.A)) return 'ret a';
      break;
    default:
      if (code === (BPF.MISC | BPF.TAX)) return 'tax';
      if (code === (BPF.MISC | BPF.TXA)) return 'txa';
  }
  return 'unknown';
}

function describe(
  { code, k }: Instruction,
  state: State | undefined,
  nameOf: NameResolver,
): string | undefined {
  if (code === (BPF.LD | BPF.W | BPF.ABS) && k % 4 === 0) return formatWord(k / 4);
  if (code === (BPF.RET | BPF.K)) return formatAction(decodeAction(k));
  if ((code & (BPF_CLASS | BPF.X)) !== BPF.JMP || (code & BPF_OP) === BPF.JA) return undefined;
  if (state?.word === WORD.arch) {
    return k === AUDIT_ARCH.x86_64
      ? 'x86_64'
      : Object.entries(AUDIT_ARCH).find(([, value]) => value === k)?.[0];
  }
  if (state?.word !== WORD.nr || state.arch === undefined || (code & BPF_OP) === BPF.JSET) return undefined;
  const call = identifyCall(k, state.arch);
  return call === null ? undefined : nameOf(call.arch, call.nr);
}

/** Jumps go forward only, so one pass meets every way to an instruction before the instruction. */
function followStates(program: readonly Instruction[]): (State | undefined)[] {
  const states: (State | undefined)[] = Array.from({ length: program.length });
  const reach = (index: number, state: State): void => {
    const known = states[index];
    if (index >= program.length) return;
    states[index] =
      known === undefined
        ? state
        : {
            word: known.word === state.word ? state.word : undefined,
            arch: known.arch === state.arch ? state.arch : undefined,
          };
  };
  reach(0, { word: undefined, arch: undefined });
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    const state = states[index];
    if (state === undefined) continue;
    switch (code & BPF_CLASS) {
      case BPF.LD:
        reach(index + 1, { ...state, word: code === (BPF.LD | BPF.W | BPF.ABS) ? k / 4 : undefined });
        break;
      case BPF.ALU:
        reach(index + 1, { ...state, word: undefined });
        break;
      case BPF.JMP: {
        if ((code & BPF_OP) === BPF.JA) {
          reach(index + 1 + k, state);
          break;
        }
        const isArch = code === (BPF.JMP | BPF.JEQ | BPF.K) && state.word === WORD.arch;
        reach(index + 1 + jt, isArch ? { ...state, arch: k } : state);
        reach(index + 1 + jf, state);
        break;
      }
      case BPF.RET:
        break;
      case BPF.MISC:
        reach(index + 1, code === (BPF.MISC | BPF.TXA) ? { ...state, word: undefined } : state);
        break;
      default:
        reach(index + 1, state);
    }
  }
  return states;
}
