import { FormatError } from '../base/errors.ts';
import { callsWithNumbers, finishAnalysis, isCallNumber } from './analysis-draft.ts';
import type { Importer } from './importer.ts';
import { Remarks } from './remarks.ts';
import { decodeText } from './text-input.ts';

/**
 * Numbers with blanks between them, in one line or several.
 *
 * sysfilter prints them with `--syscalls-flat`; Chestnut's Binalyzer writes `PROGRAM_syscalls` beside its JSON, and its
 * Dynalyzer adds a line to `$LOGFILE` in each run, which are taken together. Sources: `modify_elf` of
 * Binalyzer/syscalls.py and `cleanup_tracer` of Dynalyzer/dynalyzer.c.
 */
export const NUMBER_LINES_IMPORTER: Importer = {
  name: 'number-lines',
  description: 'numbers with blanks between them, as sysfilter and Chestnut print them (profile)',
  recognises: (_, text) => {
    const lines = text
      .split('\n', 50)
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return lines.length > 0 && lines.every((line) => LINE.test(line)) && /\s/.test(lines[0]!);
  },
  read: (input) => {
    const remarks = new Remarks();
    const lines = decodeText(input.bytes)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    const numbers = lines
      .flatMap((line) => line.split(/\s+/))
      .filter((word) => {
        const isNumber = /^[0-9]{1,10}$/.test(word) && isCallNumber(Number(word));
        if (!isNumber) remarks.add('words that are no numbers of calls are left out', word.slice(0, 20));
        return isNumber;
      })
      .map(Number);
    if (numbers.length === 0) throw new FormatError(`${input.source}: no numbers of system calls`);
    if (lines.length > 1) remarks.add(`the numbers of ${lines.length} lines are taken together`);
    return finishAnalysis(input, { program: null, calls: callsWithNumbers(input, numbers) }, remarks);
  },
};

const LINE = /^[0-9]+(?:[ \t]+[0-9]+)*$/;
