import { spawnSync } from 'node:child_process';

import type { Image } from '../../src/analyze/image/image.ts';
import type { LoadSet } from '../../src/analyze/load/load-set.ts';
import { ST_BIND } from '../../src/elf/constants.ts';

/** What glibc's loader says it did. */
export interface LoaderReport {
  /** `FROM TO NAME VERSION` of each binding, sorted, each once; the paths are as the loader has them. */
  readonly bindings: readonly string[];
  /** Paths of the libraries, in the order of its list. */
  readonly libraries: readonly string[];
  /** Names of libraries that were not found. */
  readonly missing: readonly string[];
}

/**
 * Has the loader map and relocate a program without running it, as `ldd -r` does (ld.so(8)).
 *
 * The loader's own bindings are not among them: it relocates itself only when the program is run.
 */
export function traceLoader(
  program: string,
  environment: Readonly<Record<string, string>> = {},
): LoaderReport {
  return report(program, [], { LD_TRACE_LOADED_OBJECTS: '1', LD_WARN: 'yes', ...environment });
}

/** Runs a program and reports the bindings made while it ran. */
export function runLoader(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): LoaderReport {
  return report(program, args, environment);
}

/** The bindings of an image in the same form; those of the loader itself and the vDSO are left out. */
export function imageBindings(image: Image, programName: string): string[] {
  const lines = new Set<string>();
  const pathOf = (index: number): string =>
    index === 0 ? programName : (image.objects[index]?.file.path ?? 'none');
  for (const { index, file, symbols, relocations } of image.objects) {
    if (file.role === 'interpreter' || file.role === 'vdso') continue;
    for (let at = 0; at < relocations.count; at++) {
      const symbol = relocations.symbol[at] as number;
      const definer = relocations.definingObject[at] as number;
      // The loader says nothing of what needs no lookup.
      if (symbol === 0 || definer < 0 || symbols.bind[symbol] === ST_BIND.STB_LOCAL || symbols.isOwn(symbol))
        continue;
      lines.add(
        `${pathOf(index)} ${pathOf(definer)} ${symbols.name(symbol)} ${symbols.version(symbol) ?? ''}`,
      );
    }
  }
  return [...lines].sort();
}

/** Paths of the libraries of a load set, in its order; without the program and the vDSO. */
export function libraryPaths({ objects }: LoadSet): string[] {
  return objects.filter(({ role }) => role === 'library' || role === 'interpreter').map(({ path }) => path);
}

function report(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): LoaderReport {
  const { stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
    env: { LD_BIND_NOW: 'yes', LD_DEBUG: 'bindings', ...environment },
  });
  if (error !== undefined) throw error;
  const bindings = new Set<string>();
  for (const [, from, to, name, version] of stderr.matchAll(
    /binding file (\S+) \[0\] to (\S+) \[0\]: \w+ symbol `(.*?)'(?: \[(.*?)\])?$/gm,
  )) {
    if (from !== 'linux-vdso.so.1') bindings.add(`${from} ${to} ${name} ${version ?? ''}`);
  }
  const listed = [...stdout.matchAll(/^\t(?:(\S+) => )?(\S+|not found)(?: \(0x[0-9a-f]+\))?$/gm)];
  const libraries = listed.map(([, , path]) => path as string).filter((path) => path.startsWith('/'));
  const missing = listed
    .filter(([, , path]) => path === 'not found' || path === 'not')
    .map(([, name]) => name as string);
  return { bindings: [...bindings].sort(), libraries, missing };
}
