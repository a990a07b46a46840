import { FormatError } from '../base/errors.ts';
import type { Importer } from './importer.ts';
import { finishProfile, importedProgram } from './profile-draft.ts';
import { Remarks } from './remarks.ts';
import { decodeText, parseJson } from './text-input.ts';

/**
 * JSON with the numbers of the calls that a program may make: a list, or an object whose `syscalls` is one. That is what
 * sysfilter writes, and Chestnut's Binalyzer as syscalls_*.json.
 */
export const NUMBER_LIST_IMPORTER: Importer = {
  name: 'numbers',
  description: 'JSON list of numbers, as sysfilter and Chestnut write it (profile)',
  recognises: (_, text) =>
    // Lines of the kernel log begin with seconds in brackets.
    /^\s*\[\s*-?[0-9]+\s*(?:,|\]\s*$)/.test(text) || /^\s*\{[^{]*"syscalls"\s*:\s*\[\s*-?[0-9]/.test(text),
  read: (input) => {
    const document = parseJson(decodeText(input.bytes), input.source);
    const list: unknown =
      typeof document === 'object' && document !== null && !Array.isArray(document)
        ? (document as Record<string, unknown>)['syscalls']
        : document;
    if (!Array.isArray(list)) throw new FormatError(`${input.source}: no list of numbers`);
    const remarks = new Remarks();
    const numbers = list.filter((nr): nr is number => {
      const isNumber = Number.isInteger(nr) && (nr as number) >= 0 && (nr as number) <= 0x3fffffff;
      if (!isNumber)
        remarks.add('entries that are no numbers of calls are left out', JSON.stringify(nr) ?? 'null');
      return isNumber;
    });
    const path = input.program ?? input.source;
    return finishProfile(
      {
        command: [path],
        start: input.written,
        duration: 0,
        arch: input.arch,
        programs: [importedProgram(path, input.arch, numbers)],
        processes: [],
        incomplete: ['Read from the result of an analysis by another tool.'],
      },
      remarks,
    );
  },
};
