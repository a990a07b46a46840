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
