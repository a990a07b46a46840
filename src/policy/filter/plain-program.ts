import { AUDIT_ARCH, X32_SYSCALL_BIT } from '../../abi/arch.ts';
import { encodeAction, type Action } from './action.ts';
import type { Line } from './assemble.ts';
import { BPF } from './cbpf.ts';
import type { Condition, Filter, Section } from './ir.ts';
import { lowWord, WORD } from './seccomp-data.ts';

/**
 * The filter as symbolic cBPF in the order in which it is written down, every word loaded anew for every test.
 *
 * Meant for checking the optimised compilation, with which it shares nothing but the assembler.
 */
export function writePlainProgram(filter: Filter): Line[] {
  const plain = new PlainProgram();
  for (const arch of new Set(filter.sections.map((section) => AUDIT_ARCH[section.arch]))) {
    const sections = filter.sections.filter((section) => AUDIT_ARCH[section.arch] === arch);
    plain.writeArch(arch, sections, filter);
  }
  plain.return(filter.mismatch);
  return plain.lines;
}

class PlainProgram {
  readonly lines: Line[] = [];
  #labels = 0;

  return(action: Action): void {
    this.lines.push({ kind: 'statement', code: BPF.RET | BPF.K, k: encodeAction(action) });
  }

  writeArch(arch: number, sections: readonly Section[], filter: Filter): void {
    const otherArch = this.#newLabel();
    this.#unless(WORD.arch, BPF.JEQ, arch, otherArch);
    const called = this.#newLabel();
    this.#unless(WORD.nr, BPF.JEQ, 0xffffffff, called);
    this.return(filter.skipped);
    this.#place(called);
    const native = sections.find((section) => section.arch !== 'x32');
    if (arch === AUDIT_ARCH.x86_64) {
      const notX32 = this.#newLabel();
      this.#unless(WORD.nr, BPF.JGE, X32_SYSCALL_BIT, notX32);
      this.#when(WORD.nr, BPF.JGE, 0x80000000, notX32);
      const x32 = sections.find((section) => section.arch === 'x32');
      if (x32 === undefined) this.return(filter.foreign);
      else this.#writeSection(x32, X32_SYSCALL_BIT);
      this.#place(notX32);
    }
    if (native === undefined) this.return(filter.foreign);
    else this.#writeSection(native, 0);
    this.#place(otherArch);
  }

  #writeSection(section: Section, base: number): void {
    for (const rule of section.rules) {
      const next = this.#newLabel();
      this.#unless(WORD.nr, BPF.JEQ, base + rule.nr, next);
      for (const condition of rule.conditions) this.#writeCondition(condition, next);
      this.return(rule.action);
      this.#place(next);
    }
    const known = this.#newLabel();
    this.#unless(WORD.nr, BPF.JGT, base + section.newestKnown, known);
    this.return(section.newer);
    this.#place(known);
    this.return(section.default);
  }

  #writeCondition(condition: Condition, next: string): void {
    const low = lowWord(condition.arg);
    const high = low + 1;
    const valueLow = Number(condition.value & 0xffffffffn);
    const valueHigh = Number(condition.value >> 32n);
    const wide = condition.width === 64;
    const holds = this.#newLabel();
    switch (condition.op) {
      case 'eq':
        if (wide) this.#unless(high, BPF.JEQ, valueHigh, next);
        this.#unless(low, BPF.JEQ, valueLow, next);
        break;
      case 'ne':
        if (wide) this.#unless(high, BPF.JEQ, valueHigh, holds);
        this.#when(low, BPF.JEQ, valueLow, next);
        break;
      case 'gt':
      case 'ge':
        if (wide) {
          this.#when(high, BPF.JGT, valueHigh, holds);
          this.#unless(high, BPF.JEQ, valueHigh, next);
        }
        this.#unless(low, condition.op === 'gt' ? BPF.JGT : BPF.JGE, valueLow, next);
        break;
      case 'lt':
      case 'le':
        if (wide) {
          this.#when(high, BPF.JGT, valueHigh, next);
          this.#unless(high, BPF.JEQ, valueHigh, holds);
        }
        this.#when(low, condition.op === 'lt' ? BPF.JGE : BPF.JGT, valueLow, next);
        break;
      case 'masked_eq':
        if (wide) this.#unless(high, BPF.JEQ, valueHigh, next, Number(condition.mask! >> 32n));
        this.#unless(low, BPF.JEQ, valueLow, next, Number(condition.mask! & 0xffffffffn));
        break;
    }
    this.#place(holds);
  }

  #newLabel(): string {
    return String(this.#labels++);
  }

  #place(label: string): void {
    this.lines.push({ kind: 'label', label });
  }

  #load(word: number, mask: number | undefined): void {
    this.lines.push({ kind: 'statement', code: BPF.LD | BPF.W | BPF.ABS, k: word * 4 });
    if (mask !== undefined) this.lines.push({ kind: 'statement', code: BPF.ALU | BPF.AND | BPF.K, k: mask });
  }

  #when(word: number, jump: number, k: number, target: string): void {
    this.#load(word, undefined);
    this.lines.push({ kind: 'branch', code: BPF.JMP | jump | BPF.K, k, whenTrue: target });
  }

  #unless(word: number, jump: number, k: number, target: string, mask?: number): void {
    this.#load(word, mask);
    this.lines.push({ kind: 'branch', code: BPF.JMP | jump | BPF.K, k, whenFalse: target });
  }
}
