/** A key that an object has twice. */
export interface RepeatedKey {
  readonly key: string;
  /** Line of the second one, from 1. */
  readonly line: number;
}

/**
 * The first key that an object of a JSON text has twice, or null.
 *
 * `JSON.parse` takes the last of them: who reads the text may see another document than the program does. The text must be
 * JSON, as `JSON.parse` says.
 */
export function findRepeatedKey(text: string): RepeatedKey | null {
  /** Keys of the objects that are open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let keys: Set<string> | null = null;
  let isKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (isKey && keys !== null) {
          const key = textOf(text, at, end);
          if (keys.has(key)) return { key, line: text.slice(0, at).split('\n').length };
          keys.add(key);
          isKey = false;
        }
        at = end;
        break;
      }
      case '{':
      case '[':
        open.push(keys);
        keys = text[at] === '{' ? new Set() : null;
        isKey = keys !== null;
        break;
      case '}':
      case ']':
        keys = open.pop() ?? null;
        break;
      case ',':
        isKey = keys !== null;
        break;
      default:
      // Numbers, words and what is between them.
    }
  }
  return null;
}

/** Where the quote is that ends the string. */
function endOfString(text: string, begin: number): number {
  let at = text.indexOf('"', begin + 1);
  for (;;) {
    let first = at;
    while (text[first - 1] === '\\') first--;
    if ((at - first) % 2 === 0) return at;
    at = text.indexOf('"', at + 1);
  }
}

function textOf(text: string, begin: number, end: number): string {
  const raw = text.slice(begin + 1, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}
