import type { Arch } from '../abi/arch.ts';
import { selectingArguments } from '../abi/selecting-arguments.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import { ARGUMENT_CAP } from '../profile/call-union.ts';
import type { ArgumentValues } from '../profile/model.ts';
import { callsWithNumbers, finishAnalysis } from './analysis-draft.ts';
import type { Importer } from './importer.ts';
import { Remarks } from './remarks.ts';
import { decodeText, quoteText } from './text-input.ts';

/**
 * What `callander --show-permitted` prints: after `callander: permitted syscalls: ` a line for each call at each place,
 * `ioctl(any u32, 0x5401, any) @ libc.so.6+0x113a18(tcgetattr+40)`, futex and what the vDSO may fall back to without a place.
 *
 * An argument is `any`, with the width of a narrower register; a number, decimal or hexadecimal; a range
 * `LOW-HIGH` with `NULL` for 0; `non-NULL`; a name such as `AT_FDCWD`; or an address in an object. Of selecting arguments those that are numbers
 * at all places are kept. Source: its callander_fixtures, written by callander.c.
 */
export const CALLANDER_IMPORTER: Importer = {
  name: 'callander',
  description: 'calls with arguments and places, as callander --show-permitted prints them (profile)',
  recognises: (_, text) => {
    if (text.includes(HEADING)) return true;
    const lines = text.split('\n', 50).filter((line) => line.trim() !== '');
    const placed = lines.filter((line) => /\) @ \S+\+0x[0-9a-f]+/.test(line) && ENTRY.test(line));
    return placed.length > 0 && placed.length * 2 > lines.length;
  },
  read: (input) => {
    const remarks = new Remarks();
    const uses = new Map<number, string[][]>();
    for (const line of decodeText(input.bytes).split('\n')) {
      const [, name, list = ''] = ENTRY.exec(line.replace(HEADING, '').trim()) ?? [];
      if (name === undefined) continue;
      const nr = /^[0-9]{1,9}$/.test(name) ? Number(name) : syscallNumber(input.arch, name);
      if (nr === null) {
        remarks.add(`names that ${input.arch} does not have are left out`, quoteText(name));
        continue;
      }
      const words = list.trim() === '' ? [] : list.split(',').map((word) => word.trim());
      uses.set(nr, [...(uses.get(nr) ?? []), words]);
    }
    if (uses.size === 0) throw new FormatError(`${input.source}: no calls as callander prints them`);
    const calls = callsWithNumbers(input, uses.keys(), (nr) => {
      const args = readArguments(input.arch, nr, uses.get(nr) ?? []);
      return args.length === 0 ? {} : { args };
    });
    return finishAnalysis(input, { program: null, calls }, remarks);
  },
};

const HEADING = 'callander: permitted syscalls: ';

/** A call: name or number, arguments without parentheses in them. */
const ENTRY = /^([a-z_][a-z0-9_]*|[0-9]+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)(?= @ |$)/;

/** Values of the selecting arguments that are in registers. */
function readArguments(
  arch: Arch,
  nr: number,
  uses: readonly (readonly string[])[],
): readonly ArgumentValues[] {
  return selectingArguments(arch, nr)
    .filter(({ pointee }) => pointee === undefined)
    .map(({ index, name, bits }): ArgumentValues => {
      const values = new Set<bigint>();
      for (const words of uses) {
        const value = readValue(words[index]);
        if (value === null) return { index, name, values: 'any' };
        values.add(BigInt.asUintN(bits, value));
      }
      if (values.size > ARGUMENT_CAP) return { index, name, values: 'any' };
      return {
        index,
        name,
        values: [...values]
          .sort((a, b) => (a < b ? -1 : Number(a > b)))
          .map((value) => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : `0x${value.toString(16)}`)),
      };
    });
}

function readValue(word: string | undefined): bigint | null {
  if (word === 'NULL') return 0n;
  return word !== undefined && /^(?:[0-9]{1,19}|0x[0-9a-f]{1,16})$/.test(word) ? BigInt(word) : null;
}
