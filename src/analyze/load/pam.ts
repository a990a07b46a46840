import { cannotList } from './object-reader.ts';
import type { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/**
 * The modules that PAM may open for a service, such as `sshd`; null for every service of the root.
 *
 * `/etc/pam.d` and `/usr/lib/pam.d` are read, `/etc/pam.conf` when there is neither. A service without a file has that of `other`, which every service
 * may fall back to. `directories` are those that hold libraries: modules are in `security` below one of them. Source: pam.conf(5).
 */
export function pamLibraries(
  root: RootFileSystem,
  service: string | null,
  directories: readonly string[],
): RunTimeLibraries {
  const reader = new PamReader(root, directories);
  for (const folder of FOLDERS) {
    const failure = root.listFailure(folder);
    if (failure !== null) reader.list.addProblem(cannotList(folder, failure));
  }
  const folders = FOLDERS.filter((folder) => root.list(folder).length > 0);
  if (folders.length === 0) reader.readShared(service);
  const all = folders.flatMap((folder) => root.list(folder));
  const names = service === null ? all : [service, 'other'];
  if (folders.length > 0) for (const name of new Set(names)) reader.readService(name, null);
  return reader.list;
}

const FOLDERS = ['/etc/pam.d', '/usr/lib/pam.d'];

class PamReader {
  readonly list: LibraryList = new LibraryList();
  readonly #root: RootFileSystem;
  readonly #directories: readonly string[];
  readonly #done = new Set<string>();

  constructor(root: RootFileSystem, directories: readonly string[]) {
    this.#root = root;
    this.#directories = directories.map((directory) => `${directory}/security`);
  }

  readService(name: string, includedBy: string | null): void {
    if (this.#done.has(name)) return;
    this.#done.add(name);
    const paths = name.startsWith('/') ? [name] : FOLDERS.map((folder) => `${folder}/${name}`);
    for (const path of paths) {
      const text = this.#root.readText(path);
      if (text === null) {
        if (this.#root.identity(path) !== null || this.#root.failure(path) !== null)
          this.list.addProblem(`${path} cannot be read`);
        continue;
      }
      this.#readLines(text, path);
      return;
    }
    if (includedBy !== null) this.list.problems.push(`${includedBy} includes ${name}, which is missing`);
  }

  /** /etc/pam.conf: the service stands first in each line. */
  readShared(service: string | null): void {
    const path = '/etc/pam.conf';
    const lines = linesOf(this.#root.readText(path) ?? '').flatMap((line) => {
      const [name = '', ...rest] = line.split(/\s+/);
      const isMeant = service === null || name === service || name.toLowerCase() === 'other';
      return isMeant ? [rest.join(' ')] : [];
    });
    this.#readLines(lines.join('\n'), path);
  }

  #readLines(text: string, path: string): void {
    for (const line of linesOf(text)) {
      const include = /^@include\s+(\S+)/.exec(line)?.[1];
      if (include !== undefined) {
        this.readService(include, path);
        continue;
      }
      const match = /^-?\w+\s+(\[[^\]]*\]|\S+)\s+(\[[^\]]*\]|\S+)/.exec(line);
      const [, control = '', target = ''] = match ?? [];
      if (match === null) this.list.problems.push(`${path}: line "${line}" cannot be read`);
      else if (control === 'include' || control === 'substack') this.readService(target, path);
      else this.#addModule(target, path);
    }
  }

  #addModule(module: string, path: string): void {
    const name = module.replace(/^\$ISA\//, '');
    const reason = `module in ${path}`;
    if (name.startsWith('/')) {
      this.list.add(name, reason);
      return;
    }
    const found = this.#directories
      .map((directory) => `${directory}/${name}`)
      .find((candidate) => !this.#root.isAbsent(candidate));
    // What is not installed cannot be opened; PAM then denies, or goes on.
    if (found !== undefined) this.list.add(found, reason);
  }
}

/** Without comments and empty lines; a backslash joins a line to the next. */
function linesOf(text: string): string[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/#.*$/, '').trim())
    .filter((line) => line !== '');
}
