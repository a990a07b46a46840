/** Words that YAML reads as text, with or without brackets around them. */
const PLAIN = /^[A-Za-z_/][\w./@+|=-]*(:[\w./@+|=-]+)*$/;

/** Words that YAML, of one version or another, reads as something else. */
const RESERVED = /^(true|false|null|yes|no|on|off|y|n)$/i;

/** Control characters, lone surrogates, line separators, and what a terminal does not show or reorders by. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** A text as a YAML scalar on one line: as it stands where that is safe, else in double quotes. */
export function yamlText(text: string): string {
  if (PLAIN.test(text) && !RESERVED.test(text)) return text;
  return quoteText(text);
}

/** A text in double quotes as JSON and YAML read it, with nothing in it that could drive a terminal. */
export function quoteText(text: string): string {
  return JSON.stringify(text).replace(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
