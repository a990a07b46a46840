import { writeSync } from 'node:fs';
import { escapeText } from '../report/escape.ts';

/**
 * Prints a line on stderr while a program runs that shares it.
 *
 * Not by process.stderr: that makes a pipe non-blocking, for the program as well, whose writes would then fail.
 */
export function say(text: string): void {
  writeToStderr(`callgate: ${escapeText(text)}\n`);
}

/** Writes text to stderr as it is; what a full or closed pipe does not take is dropped. */
export function writeToStderr(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(2, bytes, at);
  } catch {
    // There is nobody to tell.
  }
}
