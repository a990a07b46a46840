import { directoryOf } from './dynamic-string.ts';
import { filesBelow } from './files-below.ts';
import { globFiles } from './glob.ts';
import type { LoadSet } from './load-set.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/**
 * All libraries in some directories, and below them, that belong to a program or to one of its libraries: each is a pattern (glob(7)) relative to
 * the directories that hold libraries, those of the load set and `lib` and `lib64` beside the program's own.
 */
export function extensionLibraries(set: LoadSet, patterns: readonly string[]): RunTimeLibraries {
  const list = new LibraryList();
  for (const parent of libraryPlaces(set)) {
    for (const pattern of patterns) {
      for (const directory of globFiles(set.root, `${parent}/${pattern}`, list)) {
        const { files, problems } = filesBelow(set.root, directory);
        for (const path of files) {
          if (path.endsWith('.so')) list.add(path, `plug-in in ${directory}`);
        }
        for (const problem of problems) list.addProblem(problem);
      }
    }
  }
  return list;
}

/** The libraries of a Java runtime, which are beside the one that starts it: libjvm in `server`, and what it opens for classes of the platform. */
export function javaLibraries({ root, objects }: LoadSet): RunTimeLibraries {
  const list = new LibraryList();
  for (const { soname, realPath } of objects) {
    if (soname !== 'libjli.so') continue;
    const folder = directoryOf(realPath);
    for (const directory of [folder, `${folder}/server`, `${folder}/client`]) {
      list.addListed(root, directory, /\.so$/, `library of Java in ${directory}`);
    }
  }
  return list;
}

function libraryPlaces({ objects }: LoadSet): ReadonlySet<string> {
  const places = new Set<string>();
  for (const { role, realPath } of objects) {
    if (role === 'library') places.add(directoryOf(realPath));
    else if (role === 'program') {
      const prefix = directoryOf(directoryOf(realPath)).replace(/\/$/, '');
      for (const name of ['lib', 'lib64']) places.add(`${prefix}/${name}`);
    }
  }
  return places;
}
