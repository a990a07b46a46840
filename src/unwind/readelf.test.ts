import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { parseElf } from '../elf/header.ts';
import { runTool } from '../elf/testing/program.ts';
import { FrameIndex } from './frame-index.ts';
import { type FrameRow, frameRow } from './frame-row.ts';

/** Registers as readelf names them, by DWARF number. */
const NAMES = 'rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 ra'.split(' ');

describe('the table of a C library', () => {
  it.each([
    ['/lib64/ld-linux-x86-64.so.2'],
    [runTool('gcc', ['-print-file-name=libc.so.6']).trim()],
    [runTool('gcc', ['-print-file-name=libstdc++.so.6']).trim()],
  ])('has the rows of %s that readelf prints', (file) => {
    const elf = parseElf(readFileSync(file));
    const index = new FrameIndex(elf);
    const differences: string[] = [];
    let rows = 0;
    let columns: string[] = [];
    let isFde = false;
    for (const line of runTool('readelf', ['--debug-dump=frames-interp', '-W', file], {
      mayFail: true,
    }).split('\n')) {
      if (/^[0-9a-f]{8} /.test(line)) isFde = line.includes(' FDE ');
      if (line.trimStart().startsWith('LOC')) columns = line.trim().split(/\s+/).slice(2);
      const match = /^([0-9a-f]{16}) (.*)$/.exec(line);
      if (!isFde || match === null) continue;
      rows++;
      const vaddr = parseInt(match[1] as string, 16);
      const entry = index.find(vaddr);
      const got = entry === null ? 'none' : rowText(frameRow(elf, entry, vaddr), columns);
      // A rule by register is printed as `r5 (rdi)`.
      const want = (match[2] as string)
        .trim()
        .replace(/\S+ \((\w+)\)/g, '$1')
        .split(/\s+/)
        .join(' ');
      if (got !== want) differences.push(`${match[1]}: ${got}, readelf ${want}`);
    }
    expect(rows).toBeGreaterThan(1000);
    expect(differences).toEqual([]);
  });
});

/** A row as readelf prints it: the CFA, then one column per register that the FDE speaks of. */
function rowText({ cfa, rules }: FrameRow, columns: readonly string[]): string {
  const base = cfa.kind === 'expression' ? 'exp' : `${NAMES[cfa.register]}${signed(cfa.offset)}`;
  const cells = columns.map((name) => {
    const rule = rules.get(NAMES.indexOf(name));
    if (rule === undefined) return 'u';
    switch (rule.kind) {
      case 'offset':
        return `c${signed(rule.offset)}`;
      case 'val-offset':
        return `v${signed(rule.offset)}`;
      case 'register':
        return NAMES[rule.register];
      case 'expression':
        return 'exp';
      case 'val-expression':
        return 'vexp';
      case 'same':
        return 's';
      case 'undefined':
        return 'u';
    }
  });
  return [base, ...cells].join(' ');
}

function signed(offset: number): string {
  return offset < 0 ? String(offset) : `+${offset}`;
}
