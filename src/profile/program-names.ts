import type { Profile, Program } from './model.ts';
import { baseName } from '../base/base-name.ts';

/**
 * Indices of the programs that somebody means by a path, or the last part of one; empty if there is none.
 *
 * A program is listed by its path without links, which may be none that anybody knows: `redis-server` leads to `redis-check-rdb`. So where no
 * path is meant it is the name under which a program was started, or given to be analysed, if that is certain.
 */
export function findPrograms(profile: Profile, wanted: string): ReadonlySet<number> {
  const isMeant = (path: string): boolean => isNamed(path, wanted);
  const listed = profile.programs.flatMap(({ path }, index) => (isMeant(path) ? [index] : []));
  if (listed.length > 0) return new Set(listed);
  const started = profile.processes.flatMap(({ program, argv }) =>
    program !== null && argv?.[0] !== undefined && isMeant(argv[0]) ? [program] : [],
  );
  return new Set([...started, ...givenProgram(profile, isMeant)]);
}

/** Whether a path is meant by itself or by its last part. */
export function isNamed(path: string, wanted: string): boolean {
  return path === wanted || baseName(path) === wanted;
}

/** The program that was analysed by this name. Of several it is not known which of them was. */
function givenProgram({ runs, programs }: Profile, isMeant: (path: string) => boolean): readonly number[] {
  const read = programs.flatMap(({ analysis }, index) => (analysis === undefined ? [] : [index]));
  const isGiven = runs.some(
    ({ method, command }) => method === 'analyze' && command[0] !== undefined && isMeant(command[0]),
  );
  return read.length === 1 && isGiven ? read : [];
}

/** What tells a program wherever it is recorded: the build-id whatever the path, else the path. */
export function programKey({ path, buildId }: Pick<Program, 'path' | 'buildId'>): string {
  return buildId ?? `/${path}`;
}
