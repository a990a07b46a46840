import { afterAll, describe, expect, it } from 'vitest';

import { Workshop } from '../../elf/testing/program.ts';
import { Image } from '../image/image.ts';
import { loadSet } from '../load/load-set.ts';
import { ClobberedRegisters } from './clobbered-registers.ts';
import { withCodeMap } from './code-map.ts';
import { Explorer } from './explorer.ts';
import { functionStarts } from './function-starts.ts';
import { ObjectView } from './object-view.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** `outer` changes edx behind the call of a function that is not known to return. */
const SOURCE = `__asm__(${JSON.stringify(`
  .text\n.globl _start, outer, late\n.type _start, @function\n_start: .cfi_startproc; call outer; hlt
  .cfi_endproc\n.size _start, . - _start\n.type outer, @function\nouter: .cfi_startproc
  xor %eax, %eax; call late; xor %edx, %edx; ret\n.cfi_endproc\n.size outer, . - outer
  .type late, @function\nlate: .cfi_startproc\n1: jmp 1b\n.cfi_endproc\n.size late, . - late`)});`;

const RAX = 1;
const RDX = 4;

describe('ClobberedRegisters', () => {
  it('says when a function changes more than was known', () => {
    const image = new Image(loadSet(workshop.compile('outer', SOURCE, ['-static', '-nostdlib', '-no-pie'])));
    const view = new ObjectView(image, 0);
    withCodeMap(view.codeHigh - view.codeLow, (map) => {
      const explorer = new Explorer(view, map, functionStarts(image, view), new Set());
      explorer.run();
      const vaddrOf = (name: string): number => view.vaddrOf(image.addressOf(0, name)!);
      const clobbers = new ClobberedRegisters(explorer);
      expect(clobbers.of(vaddrOf('outer')) & (RAX | RDX)).toBe(RAX);
      expect(clobbers.hasGrown()).toBe(false);

      explorer.markReturns(explorer.functionAt(vaddrOf('late')));
      explorer.run();
      expect(clobbers.of(vaddrOf('outer')) & (RAX | RDX)).toBe(RAX);
      expect(clobbers.hasGrown()).toBe(true);
      expect(clobbers.of(vaddrOf('outer')) & (RAX | RDX)).toBe(RAX | RDX);
      expect(clobbers.hasGrown()).toBe(false);
    });
  });
});
