/** Control characters, lone surrogates, line separators, and what a terminal does not show or reorders by. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** Words that a shell takes as they stand. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text from a profile, safe to print on a terminal and always on one line: control characters, escape sequences and
 * invisible or reordering characters are written as `\x1b`, `\u202e` or `\U000e0001`. Backslashes stay as they are.
 */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** As `escapeText`, but line feeds stay: for a message of several lines. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeText).join('\n');
}

/** JSON with the same characters escaped, which `JSON.stringify` does for few of them; still the same document. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (character) => {
    // Outside of strings the only such characters in JSON are line feeds, which strings never hold.
    if (character === '\n') return character;
    return Array.from({ length: character.length }, (_, at) => hex('\\u', character.charCodeAt(at), 4)).join(
      '',
    );
  });
}

/** A command line that a shell would read as these words: `sh -c 'exit 3'`; bytes that need it are in `$'...'`. */
export function quoteCommand(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/** The first part of a text that is longer than `width` characters, with `...` at its end. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 3)).join('')}...`;
}

function quoteWord(word: string): string {
  if (PLAIN_WORD.test(word)) return word;
  if (word.search(UNSAFE) === -1) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${escapeText(word.replace(/[\\']/g, '\\$&'))}'`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code > 0xffff) return hex('\\U', code, 8);
  // `\x9b` would stand for a byte that is no UTF-8.
  return SHORT_ESCAPES[character] ?? (code < 0x80 ? hex('\\x', code, 2) : hex('\\u', code, 4));
}

function hex(prefix: string, value: number, digits: number): string {
  return `${prefix}${value.toString(16).padStart(digits, '0')}`;
}
