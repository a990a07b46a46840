import { afterAll, describe, expect, it } from 'vitest';

import { Workshop } from '../../elf/testing/program.ts';
import { Image } from '../image/image.ts';
import { loadSet } from '../load/load-set.ts';
import { AddressRegisters } from './address-registers.ts';
import { withCodeMap } from './code-map.ts';
import { Explorer } from './explorer.ts';
import { functionStarts } from './function-starts.ts';
import { ObjectView } from './object-view.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** `late` returns by a table alone, which nobody looks at here. */
const SOURCE = `__asm__(${JSON.stringify(`
  .text\n.globl _start, go\n.type _start, @function\n_start: .cfi_startproc
  mov input(%rip), %eax; lea first(%rip), %rbx; test $8, %eax; je go
  lea second(%rip), %rbx; call late
  go: and $1, %eax; movslq (%rbx,%rax,4), %rax; add %rbx, %rax; jmp *%rax
  .cfi_endproc\n.size _start, . - _start
  .type late, @function\nlate: .cfi_startproc\nlea first(%rip), %rdx; jmp *%rdx\n.cfi_endproc\n.size late, . - late
  .section .rodata\n.globl first\nfirst: .long 0, 0\nsecond: .long 0, 0
  .data\ninput: .long 0\n.text`)});`;

const RBX = 3;

describe('AddressRegisters', () => {
  it('lets nothing come from behind a call until its function is known to return', () => {
    const program = workshop.compile('late', SOURCE, ['-static', '-nostdlib', '-no-pie']);
    const image = new Image(loadSet(program));
    const view = new ObjectView(image, 0);
    const known = functionStarts(image, view);
    withCodeMap(view.codeHigh - view.codeLow, (map) => {
      const explorer = new Explorer(view, map, known, new Set());
      explorer.run();
      const vaddrOf = (name: string): number => view.vaddrOf(image.addressOf(0, name)!);
      const start = explorer.functionAt(vaddrOf('_start'));
      const late = explorer.functionAt(vaddrOf('late'));
      const registers = new AddressRegisters(explorer, new Map(), 0);
      const rbx = (): number | undefined =>
        new Map(registers.before(start, vaddrOf('go'))!.registers).get(RBX);

      expect(registers.reading(start)).toBeNull();
      expect(rbx()).toBe(vaddrOf('first'));
      const reading = registers.reading(start);
      expect(registers.reading(start)).toBe(reading);

      explorer.markReturns(late);
      expect(explorer.hasWork).toBe(true);
      // The code behind the call is known already: nothing else tells of the change.
      explorer.run();
      expect(registers.reading(start)).not.toBe(reading);
      expect(rbx()).toBeUndefined();
    });
  });
});
