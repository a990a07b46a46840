import { probeEncodings } from './encoding-probe.ts';

/** The text of `generated/encodings.ts`. */
export function encodingFile(): string {
  return `${HEAD}${probeEncodings()}\n\`;\n`;
}

const HEAD = `// Written by \`UPDATE_ENCODINGS=1 npx vitest run src/analyze/x86/encodings.test.ts\` from what iced-x86 1.21.0 decodes.

/**
 * Every opcode outside the one-byte map, one line for all opcodes of a map with equal properties.
 *
 *     space form W lengths flags reads:writes scale opcode...
 *
 * - space: \`s1\` 0F, \`s2\` 0F38, \`s3\` 0F3A (legacy), \`v1\` to \`v3\` the same under VEX, \`e1\` to \`e6\` under EVEX, \`x8\` to
 *   \`xa\` XOP.
 * - form: \`m\` memory, \`r\` register or \`*\` both, then the values of the reg field, \`*\` all, then perhaps \`.\` and the
 *   value of the rm field.
 * - W: 0, 1 or \`*\`; lengths: a hexadecimal set of bits for L (1: 128, 2: 256, 4: 512 bits).
 * - flags: \`n\` no ModRM byte; \`i\`, \`j\`, \`J\` 1, 2 or 4 bytes of immediate; \`l\` may be locked; \`p\` no operand-size prefix; \`f\` control does not come
 *   back; \`s\` memory needs a SIB byte, \`r\` may not be RIP-relative; \`v\` uses vvvv; \`g\`, \`G\` the
 *   reg operand is below 8, 16; \`y\`, \`Y\` the same of rm; \`h\`, \`H\` of vvvv; \`k\` may be masked, \`K\` must be; \`z\` zeroing,
 *   \`Z\` also unmasked; \`b\` broadcast; \`e\` rounding or exceptions suppressed; \`u\` vector index, distinct from the
 *   operands; \`V\` V' extends the index; \`q\` destination distinct, \`Q\` all distinct; \`a\`, \`c\`, \`d\` general register read in
 *   reg, rm, vvvv, \`A\`, \`C\`, \`D\` written; \`<\` memory read, \`>\` written.
 * - reads:writes: implied general registers, hexadecimal masks.
 * - scale: EVEX, factor of an 8-bit displacement as a power of two, \`+\` doubled with L, \`~\` that of movddup; after
 *   \`/\` the same with broadcast.
 * - opcode: mandatory prefix, 0 none, 1 66, 2 F3, 3 F2, \`*\` any or ignored, and the opcode byte.
 */
export const ENCODINGS: string = \`
`;
