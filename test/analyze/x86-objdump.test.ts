import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { describe, expect, it } from 'vitest';

import { scanInstruction } from '../../src/analyze/x86/decoder.ts';
import { FLOW, Instruction } from '../../src/analyze/x86/instruction.ts';
import { type CodeSection, codeSections } from '../../src/analyze/x86/testing/code-sections.ts';

const PROGRAMS: readonly string[] = [
  '/lib/x86_64-linux-gnu/libc.so.6',
  '/usr/bin/bash',
  '/usr/bin/tar',
  '/usr/bin/grep',
  '/usr/bin/sed',
  '/usr/bin/find',
];

describe('scanInstruction', () => {
  it.each(PROGRAMS)('finds the boundaries and jump targets in %s that objdump finds', async (path) => {
    const sections = codeSections(path);
    const ours = new Instruction();
    const differences: string[] = [];
    let count = 0;
    for await (const { address, length, text } of disassemble(path)) {
      const section = sections.find(
        (each) => address >= each.address && address < each.address + each.end - each.offset,
      );
      if (section === undefined || isWait(section, address, length)) continue;
      count++;
      const at = section.offset + address - section.address;
      const got = scanInstruction(section.bytes, at, section.end, address, ours);
      const target = DIRECT.exec(text)?.[1];
      const want = target === undefined ? -1 : Number.parseInt(target, 16);
      const direct = ours.flow === FLOW.JUMP || ours.flow === FLOW.BRANCH || ours.flow === FLOW.CALL;
      if (got !== length)
        differences.push(`${address.toString(16)} ${text}: ${String(got)} bytes, objdump ${String(length)}`);
      else if (direct !== want >= 0 || ours.target !== want)
        differences.push(`${address.toString(16)} ${text}: target ${ours.target.toString(16)}`);
    }
    expect(differences).toEqual([]);
    expect(count).toBeGreaterThan(10_000);
  });
});

/** A jump, branch or call and its target; prefixes (bnd, notrack) may stand before it. */
const DIRECT = /^(?:[a-z0-9,.]+ )*(?:j[a-z]+|loop[a-z]*|call|xbegin)(?:,p[nt])?\s+([0-9a-f]+)(?: <|$)/;

/** objdump joins wait and the x87 instruction after it. */
function isWait({ bytes, offset, address: start }: CodeSection, address: number, length: number): boolean {
  return length > 1 && bytes[offset + address - start] === 0x9b;
}

type Line = { readonly address: number; readonly length: number; readonly text: string };

async function* disassemble(path: string): AsyncGenerator<Line> {
  const objdump = spawn('objdump', ['-d', '-w', '--no-show-raw-insn', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve, reject) =>
    objdump.on('error', reject).on('exit', resolve),
  );
  let before: { address: number; text: string } | undefined;
  for await (const line of createInterface({ input: objdump.stdout })) {
    const found = /^\s*([0-9a-f]+):\t(.*)$/.exec(line);
    const address = found?.[1] === undefined ? undefined : Number.parseInt(found[1], 16);
    // Without the bytes, the length is the distance to the next line; the last of a section is left out.
    if (before !== undefined && address !== undefined && address > before.address)
      yield { address: before.address, length: address - before.address, text: before.text };
    if (address !== undefined) before = { address, text: (found?.[2] ?? '').trim() };
    else if (line.startsWith('Disassembly')) before = undefined;
  }
  if ((await exited) !== 0) throw new Error(`objdump: ${path} failed`);
}
