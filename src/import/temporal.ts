import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import { callsWithNumbers, finishAnalysis } from './analysis-draft.ts';
import type { Imported, Importer, ImportInput } from './importer.ts';
import { Remarks } from './remarks.ts';
import { decodeText, quoteText } from './text-input.ts';

/** The names that calls of the two parts of a program's life have. */
interface Parts {
  readonly master: readonly string[];
  readonly worker: readonly string[];
  readonly program: string | null;
}

/**
 * Results of temporal specialization, with its two phases: what `main` may do is the set of setup and main, what the worker
 * functions may do that of main, which is entered once the workers serve.
 *
 * Three forms: what extractSyscallFromSvf.py prints, the sections `------- main -------` and `------- child -------` with a name a
 * line; the dictionary that it and createSyscallStats.py write (`{'master': {'read', ...}, 'worker': ...}`, with library
 * debloating `temporalMaster` and `temporalWorker`); and the rows of sensitive.stats, `accept4;nginx;temporal-worker;1`, which
 * hold only the calls that its authors call sensitive. Of rows and dictionaries with several analyses the temporal one is taken.
 */
export const TEMPORAL_IMPORTER: Importer = {
  name: 'temporal',
  description: 'sets of main and workers, as temporal specialization prints them (profile)',
  recognises: (_, text) =>
    SECTION.test(text) || DICTIONARY.test(text) || STATS.test(text.slice(0, text.indexOf('\n') + 1)),
  read: (input) => {
    const remarks = new Remarks();
    const text = decodeText(input.bytes);
    const parts = SECTION.test(text)
      ? readSections(text)
      : DICTIONARY.test(text)
        ? readDictionary(text)
        : readStats(text, input, remarks);
    if (parts === null || parts.master.length + parts.worker.length === 0)
      throw new FormatError(`${input.source}: no sets of main and workers`);
    return finish(parts, input, remarks);
  },
};

const SECTION = /^-{7} main -{7}\s*$/m;

const DICTIONARY = /^\s*\{.*['"](?:temporalM|m)aster['"]\s*:\s*[[{s]/s;

/** Name, program, analysis, needed or not. */
const STATS = /^([a-z0-9_]+);([^;\n]*);((?:temporal-|piecewise-)?(?:master|worker)|original);([01])\s*$/;

function finish({ master, worker, program }: Parts, input: ImportInput, remarks: Remarks): Imported {
  const [all, serving] = [
    toNumbers([...master, ...worker], input, remarks),
    toNumbers(worker, input, remarks),
  ];
  return finishAnalysis(
    input,
    {
      program,
      calls: callsWithNumbers(input, all, (nr) => ({ phases: serving.has(nr) ? [0, 1] : [0] })),
      later: [{ name: 'main', trigger: 'worker functions' }],
    },
    remarks,
  );
}

function toNumbers(names: readonly string[], { arch }: ImportInput, remarks: Remarks): ReadonlySet<number> {
  return new Set(
    names.flatMap((name) => {
      const nr = syscallNumber(arch, name);
      if (nr === null) remarks.add(`names that ${arch} does not have are left out`, quoteText(name));
      return nr ?? [];
    }),
  );
}

function readSections(text: string): Parts {
  const sections = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.split('\n')) {
    const title = /^-{7} ([a-z ]+) -{7}\s*$/.exec(line)?.[1];
    if (title !== undefined) sections.set(title, (current = []));
    else if (/^[a-z_][a-z0-9_]*$/.test(line.trim())) current.push(line.trim());
  }
  return { master: sections.get('main') ?? [], worker: sections.get('child') ?? [], program: null };
}

/** Python's way to print a dictionary of sets, or JSON with lists. */
function readDictionary(text: string): Parts {
  const setOf = (key: string): readonly string[] | null => {
    const body = new RegExp(`['"]${key}['"]\\s*:\\s*(?:set\\()?[[{]([^\\]}]*)[\\]}]`).exec(text)?.[1];
    return body === undefined ? null : [...body.matchAll(/['"]([a-z0-9_]+)['"]/g)].map(([, name]) => name!);
  };
  return {
    master: setOf('temporalMaster') ?? setOf('master') ?? [],
    worker: setOf('temporalWorker') ?? setOf('worker') ?? [],
    program: null,
  };
}

function readStats(text: string, input: ImportInput, remarks: Remarks): Parts | null {
  const rows = text.split('\n').flatMap((line) => {
    const [, name, program, analysis, needed] = STATS.exec(line) ?? [];
    return name === undefined
      ? []
      : [{ name, program: program!, analysis: analysis!, isNeeded: needed === '1' }];
  });
  const programs = [...new Set(rows.map(({ program }) => program))];
  const program = programs.find((each) => input.program?.endsWith(each) === true) ?? programs[0];
  if (program === undefined) return null;
  if (programs.length > 1) remarks.add(`rows of other programs than ${program} are left out (--program)`);
  remarks.add('the rows are only of calls that the authors call sensitive');
  const prefix = rows.some(({ analysis }) => analysis.startsWith('temporal-')) ? 'temporal-' : '';
  const setOf = (part: string): readonly string[] =>
    rows
      .filter((row) => row.program === program && row.analysis === `${prefix}${part}` && row.isNeeded)
      .map(({ name }) => name);
  return { master: setOf('master'), worker: setOf('worker'), program };
}
