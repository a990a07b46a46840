import { FormatError } from '../base/errors.ts';
import { callsWithNumbers, finishAnalysis, isCallNumber } from './analysis-draft.ts';
import type { Importer } from './importer.ts';
import { Remarks } from './remarks.ts';
import { decodeText, parseJson } from './text-input.ts';

/**
 * What `sysfilter_extract --full-json` writes: `syscalls`, the numbers for the whole program; `analysis_scope`, the files that it
 * read by their names, `(executable)` for the program; and for each of `analysis_modes` (`vacuum`, `direct`, `naive`) under
 * `analysis` a pass each for `all`, `main`, `init`, `fini`, `ifunc`, `nss` with `syscalls` of its own.
 *
 * Without the list for the whole program the union of all passes of the first mode is taken. The plain list that it writes without
 * the option is the format `numbers`. Sources: test/argtest.py and extraction/app of its releases, as their users read it.
 */
export const SYSFILTER_IMPORTER: Importer = {
  name: 'sysfilter',
  description: 'JSON of sysfilter_extract --full-json (profile)',
  recognises: (_, text) => /^\s*\{/.test(text) && /"analysis_(?:modes|scope)"\s*:/.test(text),
  read: (input) => {
    const document = asObject(parseJson(decodeText(input.bytes), input.source));
    if (document === null) throw new FormatError(`${input.source}: not an object`);
    const remarks = new Remarks();
    const numbers = numbersOf(document['syscalls']) ?? numbersOfPasses(document, remarks);
    if (numbers === null) throw new FormatError(`${input.source}: no list "syscalls" of numbers`);
    const calls = numbers.filter((nr): nr is number => {
      if (!isCallNumber(nr))
        remarks.add('entries that are no numbers of calls are left out', JSON.stringify(nr) ?? 'null');
      return isCallNumber(nr);
    });
    return finishAnalysis(
      input,
      { program: programOf(document), calls: callsWithNumbers(input, calls) },
      remarks,
    );
  },
};

function numbersOfPasses(
  document: Readonly<Record<string, unknown>>,
  remarks: Remarks,
): readonly unknown[] | null {
  const modes = document['analysis_modes'];
  const mode: unknown = Array.isArray(modes) ? modes[0] : undefined;
  const passes = asObject(asObject(document[String(mode)])?.['analysis']);
  if (passes === null) return null;
  const lists = Object.values(passes).flatMap((pass) => numbersOf(asObject(pass)?.['syscalls']) ?? []);
  remarks.add(
    'there is no set of the whole program, the passes are taken together',
    Object.keys(passes).join(', '),
  );
  return lists;
}

function programOf(document: Readonly<Record<string, unknown>>): string | null {
  const path = asObject(asObject(document['analysis_scope'])?.['(executable)'])?.['path'];
  return typeof path === 'string' && path !== '' ? path : null;
}

function numbersOf(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null;
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
