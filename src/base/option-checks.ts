import { UsageError } from './errors.ts';

/** What an option has to be, by its name; a check throws UsageError, which begins with whose option it is. */
export type Checks = Readonly<Record<string, (who: string, name: string, value: unknown) => void>>;

/**
 * Checks that options are of the types that they are declared with, which are no help to programs that are written without them, and that
 * there are no others: one that is misspelt, or that only others have, would be ignored.
 *
 * @throws UsageError
 */
export function checkOptions(who: string, options: unknown, checks: Checks): void {
  requireObject(who, 'options', options);
  for (const [name, value] of Object.entries(options as object)) {
    // As if it had been left out.
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      throw new UsageError(
        `${who}: there is no option ${JSON.stringify(name)} (${Object.keys(checks).join(', ')})`,
      );
    }
    checks[name]?.(who, name, value);
  }
}

/** @throws UsageError for what is no object, or an array */
export function requireObject(who: string, name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(who, name, 'an object', value);
  }
}

/** @throws UsageError for what is no array */
export function requireList(who: string, name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(who, name, 'an array', value);
}

/** @throws UsageError for what is no text */
export function requireText(who: string, name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrongType(who, name, 'text', value);
}

/** @throws UsageError for what is no whole number from 0 up */
export function requireCount(who: string, name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw wrongType(who, name, 'a number from 0 up', value);
}

/** @throws UsageError for what is no whole number from 1 up */
export function requireOrdinal(who: string, name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    throw wrongType(who, name, 'a number from 1 up', value);
}

/** Whether something is a document of a format, by its mark and the lists that it cannot be without. */
export function hasLists(value: unknown, format: string, lists: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const document = value as Readonly<Record<string, unknown>>;
  return document['format'] === format && lists.every((name) => Array.isArray(document[name]));
}

/** @throws UsageError for what is none of the texts that are known */
export function requireOneOf(who: string, name: string, value: unknown, known: readonly string[]): void {
  if (typeof value === 'string' && known.includes(value)) return;
  throw new UsageError(`${who}: ${name} is ${shown(value)} (${known.join(', ')})`);
}

/** @throws UsageError for what is neither true nor false */
export function requireBoolean(who: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(who, name, 'true or false', value);
}

/** @throws UsageError for what cannot be called */
export function requireFunction(who: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(who, name, 'a function', value);
}

/** The error for a value that is not what it has to be. */
export function wrongType(who: string, name: string, what: string, value: unknown): UsageError {
  return new UsageError(`${who}: ${name} has to be ${what}, not ${shown(value)}`);
}

/** Elements, fields and characters of a value that a message shows. */
const SHOWN_PARTS = 6;
const SHOWN_TEXT = 60;

/** A value for a message: short, on one line, one level deep. Without node:util, for the page of a report reads profiles too. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return shownObject(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'string' ? quote(value) : String(value);
}

function shownObject(value: object): string {
  const { name } = value.constructor ?? Object;
  const kind = name === 'Object' || name === 'Array' ? '' : `${name} `;
  const parts = isList(value)
    ? // Not all of it: it may be a file.
      Array.prototype.slice.call(value, 0, SHOWN_PARTS + 1).map(shownPart)
    : Object.entries(value).map(([key, part]) => `${key}: ${shownPart(part)}`);
  if (parts.length > SHOWN_PARTS) parts.splice(SHOWN_PARTS, parts.length, '...');
  const text = parts.length === 0 ? '' : ` ${parts.join(', ')} `;
  return isList(value) ? `${kind}[${text}]` : `${kind}{${text}}`;
}

function isList(value: object): value is ArrayLike<unknown> {
  return Array.isArray(value) || value instanceof Uint8Array;
}

function shownPart(part: unknown): string {
  if (typeof part !== 'object' || part === null) return shown(part);
  return isList(part) ? '[Array]' : '[Object]';
}

/** With control characters escaped, so that no text can drive a terminal. */
function quote(text: string): string {
  const cut = text.length > SHOWN_TEXT ? `${text.slice(0, SHOWN_TEXT)}...` : text;
  return `'${cut.replace(/[\p{Cc}\p{Cs}\u2028\u2029\\']/gu, (each) =>
    each === '\\' || each === "'" ? `\\${each}` : escaped(each),
  )}'`;
}

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
}
