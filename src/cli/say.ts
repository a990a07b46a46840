import { writeSync } from 'node:fs';
import { escapeText } from '../report/escape.ts';

/** How long a text waits at least that stderr does not take, milliseconds. */
const PATIENCE = 100;

/** Whether stderr takes a text at once; asked only where nothing may wait for it. */
let takesText: (() => boolean) | null = null;
const held: string[] = [];
let timer: NodeJS.Timeout | null = null;

/**
 * Prints a line on stderr while a program runs that shares it.
 *
 * Not by process.stderr: that makes a pipe non-blocking, for the program as well, whose writes would then fail.
 */
export function say(text: string): void {
  writeToStderr(`callgate: ${escapeText(text)}\n`);
}

/** Writes text to stderr as it is; what a closed pipe, or a full disk, does not take is dropped. */
export function writeToStderr(text: string): void {
  held.push(text);
  flush();
}

/**
 * From now on a text is held back while stderr takes none, a terminal after Ctrl-S or a full pipe: whoever traces on this thread must not wait
 * for it, and with it the program.
 */
export function neverWaitForStderr(takes: () => boolean): void {
  takesText = takes;
}

/** Whether text would be held back; what is not worth that is better left out. */
export function isStderrStuck(): boolean {
  return held.length > 0 || takesText?.() === false;
}

/** Writes what was held back, and waits as long as that takes: when the program is over. */
export function waitForStderr(): void {
  takesText = null;
  flush();
}

function canWrite(): boolean {
  return held.length > 0 && (takesText === null || takesText());
}

function flush(): void {
  while (canWrite()) write(held.shift() as string);
  if (held.length === 0) return;
  timer ??= setTimeout(() => {
    timer = null;
    flush();
  }, PATIENCE).unref();
}

function write(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(2, bytes, at);
  } catch {
    // There is nobody to tell.
  }
}
