import { decodeInstruction } from './decoder.ts';
import { Instruction } from './instruction.ts';

/**
 * Decodes some hundred instructions of all encodings, once in a process.
 *
 * V8 optimises a function for what it has seen of it, and starts anew whenever something else comes: code with vector instructions, or
 * with a rare prefix. The decoder, where most time is spent, was optimised nine times in the course of one analysis.
 */
export function warmUpDecoder(): void {
  if (isWarm) return;
  isWarm = true;
  const bytes = new Uint8Array(LEADS.length * TAILS * LENGTH + 64);
  const into = new Instruction();
  let random = 1;
  let at = 0;
  for (const lead of LEADS) {
    for (let tail = 0; tail < TAILS; tail++, at += LENGTH) {
      bytes.set(lead, at);
      for (let place = at + lead.length; place < at + LENGTH; place++) {
        // Numerical Recipes, "Quick and Dirty Generators".
        random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
        bytes[place] = place < at + lead.length + 2 ? random >>> 24 : random >>> 25;
      }
      if (((bytes[at + lead.length] as number) & 0xfc) === 0xa0) bytes[at + lead.length] = 0x8b;
    }
  }
  for (let offset = 0; offset < at; offset += LENGTH)
    decodeInstruction(bytes, offset, offset + LENGTH, 0x1000 + offset, into);
}

let isWarm = false;

const LENGTH = 16;

/** So many instructions begin in each way; what follows is random. */
const TAILS = 24;

/** Prefixes and escapes: legacy, REX, VEX, EVEX, XOP, and the opcodes of moves and jumps. */
const LEADS: readonly (readonly number[])[] = [
  [],
  [0x48],
  [0x4f],
  [0x66],
  [0x67],
  [0xf2],
  [0xf3],
  [0xf0],
  [0x64],
  [0x65],
  [0x0f],
  [0x66, 0x0f],
  [0xf2, 0x0f],
  [0xf3, 0x0f],
  [0x0f, 0x38],
  [0x66, 0x0f, 0x3a],
  [0x0f, 0x0f],
  [0xc5],
  [0xc4, 0xe1],
  [0xc4, 0xe2],
  [0xc4, 0xe3],
  [0x62, 0xf1, 0x7c],
  [0x62, 0xf2, 0xfd],
  [0x62, 0xf3, 0x7d],
  [0x8f, 0xe8],
  [0x8f, 0xe9],
];
