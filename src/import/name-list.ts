import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import type { Importer } from './importer.ts';
import { finishProfile, importedProgram } from './profile-draft.ts';
import { Remarks } from './remarks.ts';
import { decodeText, quoteText } from './text-input.ts';

/**
 * Text with the names of the calls that a program may make, one a line.
 *
 * That is how Callander prints them (`--show-permitted`: `read(any u32, any, any) @ libc.so.6+0x10dfd0`), temporal
 * specialization (`accept4;nginx;temporal-worker;1`, where 0 is a call that is not needed), and many a script: names
 * or numbers, one a line, with nothing but a comment behind them. What else stands there may say that the call is denied.
 */
export const NAME_LIST_IMPORTER: Importer = {
  name: 'names',
  description: 'names, one a line, as Callander and temporal specialization print them (profile)',
  recognises: (_, text) => {
    const lines = text.split('\n', 200).filter((line) => line.trim() !== '');
    const named = lines.filter((line) => {
      const name = nameOf(line);
      return name !== null && (/^[0-9]+$/.test(name) || syscallNumber('x86_64', name) !== null);
    });
    return named.length > 0 && named.length * 2 > lines.length;
  },
  read: (input) => {
    const remarks = new Remarks();
    const numbers: number[] = [];
    let isRow = false;
    const kinds = new Set<string>();
    for (const line of decodeText(input.bytes).split('\n')) {
      const name = nameOf(line);
      if (name === null && /^\s*[0-9]/.test(line))
        remarks.add('numbers with something behind them are left out', quoteText(line.trim()));
      else if (name === null && startsWithName(line, input.arch))
        remarks.add('names with something behind them are left out', quoteText(line.trim()));
      if (name === null) continue;
      const row = TEMPORAL.exec(line.trim());
      if (row !== null) {
        kinds.add(row[1]!);
        isRow = true;
        if (row[2] === '0') continue;
      }
      const nr = /^[0-9]+$/.test(name) ? Number(name) : syscallNumber(input.arch, name);
      if (nr === null || nr > 0x3fffffff)
        remarks.add(`names that ${input.arch} does not have are left out`, quoteText(name));
      else numbers.push(nr);
    }
    if (numbers.length === 0) throw new FormatError(`${input.source}: no names of system calls`);
    if (isRow && kinds.size > 1)
      remarks.add('rows of several analyses are taken together, keep those of one', [...kinds].join(', '));
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

/** Name, program, kind of analysis, needed or not. */
const TEMPORAL = /^[a-z0-9_]+;([^;]*;[^;]*);([01])$/;

/** As Callander prints a call: arguments, and the place unless it is made from many. */
const CALLANDER = /^[a-z_][a-z0-9_]*\(.*\)(?:\s+@\s.*)?$/;

/** A name or number with a comma at most and a comment behind it. */
const ENTRY = /^([a-z_][a-z0-9_]*|[0-9]+),?\s*(?:$|#|\/\/|;(?=\s|$))/;

/**
 * The name that a line is, or the number; null for comments, headings and empty lines, and for what has more than a comment
 * behind it: lines of logs begin with the numbers of processes, or with the time, those of filters with a call and end with
 * what becomes of it.
 */
function nameOf(line: string): string | null {
  const text = line.trim().replace(/^callander: permitted syscalls: /, '');
  if (TEMPORAL.test(text) || CALLANDER.test(text)) return /^[a-z0-9_]+/.exec(text)![0];
  return ENTRY.exec(text)?.[1] ?? null;
}

/** Whether a line begins with the name of a call: other words are headings. */
function startsWithName(line: string, arch: Arch): boolean {
  const name = /^\s*([a-z_][a-z0-9_]*)/.exec(line)?.[1];
  return name !== undefined && syscallNumber(arch, name) !== null;
}
