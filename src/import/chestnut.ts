import { FormatError } from '../base/errors.ts';
import { callsWithNumbers, finishAnalysis, isCallNumber } from './analysis-draft.ts';
import type { Importer } from './importer.ts';
import { Remarks } from './remarks.ts';
import { decodeText, parseJson } from './text-input.ts';

/** Key of all functions together. */
const ALL = ':all';

/**
 * What Chestnut's Binalyzer keeps of each object that it analysed (`cfg.json`, `_usr_lib_..._libc.so.6.json`): the numbers that each
 * exported function leads to, and all of them as `:all`, which is what is taken.
 *
 * The sets that it makes of a program, `syscalls_*.json` and `policy_*.json`, are the format `numbers`, its `*_syscalls`
 * `number-lines`. Source: `extract_syscalls` of Binalyzer/cfg.py.
 */
export const CHESTNUT_IMPORTER: Importer = {
  name: 'chestnut',
  description: "functions and their numbers, as Chestnut's Binalyzer keeps them of an object (profile)",
  recognises: (_, text) => /^\s*\{/.test(text) && /":all"\s*:\s*\[/.test(text),
  read: (input) => {
    const document = parseJson(decodeText(input.bytes), input.source);
    const all: unknown =
      typeof document === 'object' && document !== null
        ? (document as Record<string, unknown>)[ALL]
        : undefined;
    if (!Array.isArray(all))
      throw new FormatError(`${input.source}: no list ${JSON.stringify(ALL)} of numbers`);
    const remarks = new Remarks();
    remarks.add('the set is of all functions of the object, whether the program calls them or not');
    const numbers = all.filter((nr): nr is number => {
      // -1 stands for a site whose number was not found.
      if (nr === -1) remarks.add('the numbers of some sites were not found');
      else if (!isCallNumber(nr)) remarks.add('entries that are no numbers of calls are left out');
      return isCallNumber(nr);
    });
    return finishAnalysis(input, { program: null, calls: callsWithNumbers(input, numbers) }, remarks);
  },
};
