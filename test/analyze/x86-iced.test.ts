import { join } from 'node:path';

import { build } from 'esbuild';
import { Decoder, DecoderOptions, Mnemonic } from 'iced-x86';
import { describe, expect, it } from 'vitest';

import { decodeInstruction } from '../../src/analyze/x86/decoder.ts';
import { Instruction } from '../../src/analyze/x86/instruction.ts';
import { type CodeSection, codeSections } from '../../src/analyze/x86/testing/code-sections.ts';
import { IcedComparison } from '../../src/analyze/x86/testing/iced-comparison.ts';

// libcrypto has hand-written vector code of every generation, with constants between the functions.
const PROGRAMS: readonly string[] = [
  '/lib/x86_64-linux-gnu/libc.so.6',
  '/lib64/ld-linux-x86-64.so.2',
  '/usr/lib/x86_64-linux-gnu/libcrypto.so.3',
];

describe('decodeInstruction', () => {
  it.each(PROGRAMS)('says the same as iced-x86 of every instruction in %s', (path) => {
    const comparison = new IcedComparison();
    const ours = new Instruction();
    const differences = new Map<string, string>();
    let count = 0;
    for (const { bytes, offset, end, address } of codeSections(path)) {
      const decoder = new Decoder(64, bytes.subarray(offset, end), DecoderOptions.MPX);
      for (let at = offset; at < end;) {
        const here = address + at - offset;
        decoder.position = at - offset;
        decoder.ip = BigInt(here);
        const length = comparison.decode(decoder);
        const got = decodeInstruction(bytes, at, end, here, ours);
        const found = got !== length ? [`length ${String(got)}, iced ${String(length)}`] : [];
        if (length > 0 && found.length === 0) found.push(...comparison.differences(ours));
        for (const difference of found) {
          const name = `${Mnemonic[comparison.iced.mnemonic] ?? ''}: ${difference}`;
          if (!differences.has(name)) differences.set(name, hex(bytes, at));
        }
        // Between functions lie constants: go on a byte later.
        at += length === 0 ? 1 : length;
        count++;
      }
      decoder.free();
    }
    expect([...differences]).toEqual([]);
    expect(count).toBeGreaterThan(30_000);
  });

  it('takes less than 500 ns for an instruction of libc, the fast pass less than 250', async () => {
    const { decodeInstruction: full, scanInstruction: fast, Instruction: Into } = await bundled();
    const sections = codeSections('/lib/x86_64-linux-gnu/libc.so.6');
    const measured = [full, fast].map((decode) => bestOf(8, () => sweep(sections, decode, new Into())));
    console.log(`x86 decoder: ${measured.map((each) => each.toFixed(0)).join(' and ')} ns an instruction`);
    expect(measured[0]).toBeLessThan(500);
    expect(measured[1]).toBeLessThan(250);
  });
});

type Decode = typeof decodeInstruction;
type Bundle = { decodeInstruction: Decode; scanInstruction: Decode; Instruction: new () => Instruction };

/** The decoder as the command has it: the test runner turns every imported name into a property access. */
async function bundled(): Promise<Bundle> {
  const directory = join(import.meta.dirname, '../../src/analyze/x86');
  const contents = `export * from './decoder.ts'; export * from './instruction.ts';`;
  const stdin = { contents, resolveDir: directory, loader: 'ts' } as const;
  const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', write: false });
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64');
  return (await import(`data:text/javascript;base64,${code}`)) as Bundle;
}

/** Nanoseconds an instruction. */
function sweep(sections: readonly CodeSection[], decode: Decode, into: Instruction): number {
  let count = 0;
  const start = performance.now();
  for (const { bytes, offset, end, address } of sections) {
    for (let at = offset; at < end; count++) {
      const length = decode(bytes, at, end, address + at - offset, into);
      at += length === 0 ? 1 : length;
    }
  }
  return ((performance.now() - start) * 1e6) / count;
}

function bestOf(rounds: number, run: () => number): number {
  return Math.min(...Array.from({ length: rounds }, run));
}

function hex(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + 15)).toString('hex');
}
