import { compileFilter } from '../policy/filter/compile.ts';
import { disassembleProgram } from '../policy/filter/disassemble.ts';
import type { Exporter } from './exporter.ts';
import { nameOrNumber, selectedFilter } from './selected-filter.ts';

/** The compiled filter, instruction by instruction. */
export const ASSEMBLY: Exporter = {
  name: 'asm',
  description: 'readable: the compiled program, one instruction a line',
  fileName: 'filter.asm',
  write: (selection) => ({
    content: `${disassembleProgram(compileFilter(selectedFilter(selection)), nameOrNumber).join('\n')}\n`,
    losses: [],
    usage: '',
  }),
};
