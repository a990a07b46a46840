import { FormatError } from '../../base/errors.ts';

/** Addresses of the instructions that ran, by object: vaddrs in the file, in no particular order. */
export type ExecutedCode = ReadonlyMap<string, ReadonlySet<number>>;

/** Name that callgrind gives to code of which it knows no file; its addresses are those of the process. */
export const UNKNOWN_OBJECT = '???';

/** A cost line: position, absolute or relative to the one before, then costs. */
const COST = /^(0x[0-9a-fA-F]+|[+-][0-9]+|\*|[0-9]+)(?:[ \t]|$)/;
const OBJECT = /^(ob|cob)=(?:\(([0-9]+)\)[ \t]*)?(.*)$/;

/**
 * Reads what `valgrind --tool=callgrind --dump-instr=yes` writes: which instructions of which object ran.
 *
 * Understands name compression (`ob=(3) /lib/x`, later `ob=(3)`), relative positions (`+4`, `-2`, `*`) and files of several
 * parts; costs, calls and jumps are passed over, since the position of a call is a cost line as well.
 * Source: "Callgrind Format Specification" of the Valgrind manual.
 *
 * @param text the whole file
 * @param into executed code of other files, to be added to
 * @throws FormatError for a file without instruction addresses, a name that was never given, or a position that cannot be
 */
export function readCallgrind(text: string, into: Map<string, Set<number>> = new Map()): ExecutedCode {
  const names = new Map<string, string>();
  let hasInstructions = false;
  let current: Set<number> | null = null;
  let position = 0;
  let start = 0;
  let lineNumber = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    const fail = (what: string): FormatError =>
      new FormatError(`callgrind: line ${lineNumber}: ${what}, ${JSON.stringify(line.slice(0, 80))}`, {
        offset: start,
      });
    lineNumber++;
    const cost = COST.exec(line);
    if (cost !== null) {
      if (!hasInstructions) throw fail('no instruction addresses (--dump-instr=yes)');
      if (current === null) throw fail('position without an object');
      position = moved(position, cost[1] as string);
      if (!Number.isSafeInteger(position) || position < 0) throw fail('no such position');
      current.add(position);
    } else if (line.startsWith('positions:')) {
      hasInstructions = /^positions:[ \t]+instr\b/.test(line);
    } else {
      const object = OBJECT.exec(line);
      if (object !== null) {
        const [, kind, id, given] = object as unknown as [string, string, string | undefined, string];
        if (id !== undefined && given !== '') names.set(id, given);
        const name = given !== '' ? given : names.get(id ?? '');
        if (name === undefined) throw fail('name was never given');
        if (kind === 'ob') current = addressesOf(into, name);
      }
    }
    start = end + 1;
  }
  return into;
}

function addressesOf(code: Map<string, Set<number>>, object: string): Set<number> {
  const known = code.get(object);
  if (known !== undefined) return known;
  const fresh = new Set<number>();
  code.set(object, fresh);
  return fresh;
}

function moved(position: number, text: string): number {
  if (text === '*') return position;
  const sign = text.charCodeAt(0);
  return sign === 0x2b || sign === 0x2d ? position + Number(text) : Number(text);
}
