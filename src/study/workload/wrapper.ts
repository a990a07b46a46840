import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Runner } from './model.ts';

/** Stands for the pid of the shell that becomes the started program's tool. */
const PID = '@PID@';

/** How the program is started in one case: what stands for `${program}`, and what its starts leave. */
export interface Starter {
  /** Path to execute. */
  readonly path: string;
  /** Files that were written so far. */
  files(): readonly string[];
  /** What is wrong by them, one line each. */
  problems(): readonly string[];
}

/**
 * Makes the program startable under a runner: an executable of the program's own name that becomes the runner's command.
 *
 * Scripts thus start the program as often as they like, in pipes and in the background, and each start has files of its own.
 *
 * @param scratch where the executable goes
 * @param output folder for what the runner writes; each file's name begins with `label`
 */
export function createStarter(
  program: string,
  runner: Runner,
  { scratch, output, label }: { scratch: string; output: string; label: string },
): Starter {
  const words = runner.wrap(join(output, `${label}.${PID}`));
  if (words === null) return { path: program, files: () => [], problems: () => [] };
  const folder = join(scratch, 'starters', label);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, basename(program));
  const started = join(output, `${label}.${PID}.started`);
  const dump = runner.dump?.(join(output, `${label}.${PID}`), PID);
  // Not sticky: in a sticky folder the kernel refuses even files that everybody may write.
  if (dump !== undefined) chmodSync(output, 0o777);
  const lines = [
    '#!/bin/sh',
    `: >${quote(started)}`,
    ...(dump === undefined ? [] : [`: >${quote(dump)}; chmod 666 ${quote(dump)}`]),
    `exec ${[...words, program].map(quote).join(' ')} "$@"`,
    '',
  ];
  writeFileSync(path, lines.join('\n'));
  chmodSync(path, 0o755);

  const own = (): readonly string[] =>
    readdirSync(output)
      .filter((name) => name.startsWith(`${label}.`) && /^[0-9]+\./.test(name.slice(label.length + 1)))
      .map((name) => join(output, name))
      .sort();
  const starts = (): readonly string[] =>
    own()
      .filter((name) => name.endsWith('.started'))
      .map((name) => name.slice(0, -'.started'.length));
  return {
    path,
    files: () => own().filter((name) => !name.endsWith('.started')),
    problems: () =>
      starts().flatMap((start) => [
        ...runner.leaves
          .filter((extension) => !existsSync(start + extension))
          .map((extension) => `${runner.name} left no ${basename(start)}${extension}`),
        ...runner.judge(start),
      ]),
  };
}

/** A word for the shell in which the pid's place is open. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`.replaceAll(PID, () => `'"$$"'`);
}
