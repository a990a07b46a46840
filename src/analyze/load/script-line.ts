import { FormatError } from '../../base/errors.ts';

/** A script's first line: the kernel runs `interpreter` with it (execve(2), "Interpreter scripts"). */
export interface ScriptLine {
  /** The script's own path. */
  readonly path: string;
  readonly interpreter: string;
  /** The one argument after the interpreter, blanks and all; null when there is none. */
  readonly argument: string | null;
}

/**
 * The first line of a script; null when the bytes do not begin with `#!`.
 *
 * The kernel looks at the first 256 bytes only (BINPRM_BUF_SIZE, fs/binfmt_script.c).
 *
 * @throws FormatError when the line names no interpreter.
 */
export function parseScriptLine(path: string, bytes: Uint8Array): ScriptLine | null {
  if (bytes[0] !== 0x23 || bytes[1] !== 0x21) return null;
  const head = Buffer.from(bytes.subarray(2, 256));
  const stop = head.findIndex((byte) => byte === 0x0a || byte === 0);
  const line = head.toString('utf8', 0, stop < 0 ? head.length : stop).replace(/^[ \t]+|[ \t]+$/g, '');
  const blank = line.search(/[ \t]/);
  const interpreter = blank < 0 ? line : line.slice(0, blank);
  if (interpreter === '') {
    throw new FormatError(`script: first line of ${path} names no interpreter`, { offset: 2, value: line });
  }
  const argument = blank < 0 ? null : line.slice(blank).trimStart();
  return { path, interpreter, argument };
}

/** Options of env that take the next word, where the value does not stand in the same one. Source: env(1), coreutils 9. */
const WITH_VALUE = /^(?:-[0iv]*[uC]|--unset|--chdir)$/;

/**
 * The command that env executes for a script; null where the interpreter is not env.
 *
 * Without `-S` all that stands behind the interpreter is one word, so that `env python3 -u` looks for a program of that name. Empty where
 * the words do not say it: none are left, or one has a variable or an escape in it.
 */
export function executedByEnv({ interpreter, argument }: ScriptLine): string | null {
  if (!/(?:^|\/)env$/.test(interpreter)) return null;
  const split = /^(?:-[iv0]*S|--split-string[= \t])[ \t]*(.*)$/s.exec(argument ?? '')?.[1];
  const words = split === undefined ? [argument ?? ''] : wordsOf(split);
  if (words === null) return '';
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as string;
    if (WITH_VALUE.test(word)) at++;
    else if (word === '--' || !(word.startsWith('-') || /^[^/=]+=/.test(word))) break;
  }
  if (words[at] === '--') for (at++; /^[^/=]+=/.test(words[at] ?? ''); at++);
  return words[at] ?? '';
}

/** The words of `env -S`, quotes taken off; null where one has more in it than quotes. */
function wordsOf(text: string): string[] | null {
  if (/[\\$]/.test(text)) return null;
  const words = text.match(/(?:[^ \t'"]|'[^']*'|"[^"]*")+/g) ?? [];
  const first = words.findIndex((word) => word.startsWith('#'));
  return (first < 0 ? words : words.slice(0, first)).map((word) => word.replace(/['"]/g, ''));
}
