import { FormatError } from '../base/errors.ts';

/** The text of a file; bytes that are not UTF-8 become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes);
}

/** Text from a foreign file for messages: 60 characters at most, on one line, printable. */
export function quoteText(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Parses JSON whose integers may be larger than a number holds: those beyond 2^53 - 1 become bigint.
 *
 * @throws FormatError if it is no JSON
 */
export function parseJson(text: string, source: string): unknown {
  // Strings are matched so that digits in them are left alone.
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/g, (token) =>
    /^[0-9]{16,20}$/.test(token) ? `{${JSON.stringify(LARGE)}:"${token}"}` : token,
  );
  try {
    return JSON.parse(marked, (_, value: unknown) => (isLarge(value) ? BigInt(value[LARGE]) : value));
  } catch (error) {
    throw new FormatError(`${source}: not JSON, ${quoteText((error as Error).message)}`, { cause: error });
  }
}

/** Key of the object that stands for a large integer: no document has it. */
const LARGE = '\u0001large';

function isLarge(value: unknown): value is { readonly [LARGE]: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, LARGE) &&
    /^[0-9]{16,20}$/.test(String((value as Record<string, unknown>)[LARGE]))
  );
}
