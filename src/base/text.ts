import { UsageError } from './errors.ts';

/**
 * Refuses what is no text where types were no help.
 *
 * @param hint what was to be given
 * @throws UsageError
 */
export function requireString(context: string, value: unknown, hint: string): void {
  if (typeof value === 'string') return;
  const kind = typeof value === 'object' && value !== null ? value.constructor?.name : undefined;
  throw new UsageError(`${context}: has to be text, not ${kind ?? String(value)} (${hint})`);
}

/**
 * Text for bytes that should be UTF-8: what is not valid is written as `\xHH`, so nothing is lost silently.
 */
export function textOf(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (!text.includes('\ufffd')) return text;
  let result = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      result += `\\x${(bytes[at] as number).toString(16).padStart(2, '0')}`;
      at += 1;
    } else {
      result += new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return result;
}

/** Length of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      continue;
    }
  }
  return 0;
}
