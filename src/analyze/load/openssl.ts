import { absolutePath, directoryOf } from './dynamic-string.ts';
import type { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/** Where OpenSSL's files are, and how much is wanted. */
export interface OpensslOptions {
  /** Those that hold libraries: `ossl-modules` and `engines-3` are below that of libcrypto. */
  readonly directories: readonly string[];
  /** The configuration; default `/etc/ssl/openssl.cnf`, or where other distributions have it. */
  readonly configuration?: string;
  /** Add every provider and engine that is installed: the program chooses by itself (OSSL_PROVIDER_load, ENGINE_by_id); default false. */
  readonly all?: boolean;
}

/**
 * The providers and engines that libcrypto may open because of its configuration, which it reads by itself (config(5)).
 *
 * What a program loads by name is not among them unless `all` is set; see `providerFile`.
 */
export function opensslLibraries(root: RootFileSystem, options: OpensslOptions): RunTimeLibraries {
  const list = new LibraryList();
  const { directories, all = false } = options;
  const configuration = options.configuration ?? CONFIGURATIONS.find((path) => !root.isAbsent(path));
  if (configuration !== undefined) {
    const sections = readSections(root, configuration, list);
    addConfigured(root, sections, { directories, configuration }, list);
  }
  if (!all) return list;
  for (const parent of directories) {
    for (const folder of [PROVIDERS, ...ENGINES]) {
      for (const name of root.list(`${parent}/${folder}`)) {
        if (name.endsWith('.so')) list.add(`${parent}/${folder}/${name}`, `installed in ${parent}/${folder}`);
      }
    }
  }
  return list;
}

/** The file of a provider that a program loads by its name (OSSL_PROVIDER_load(3)); null for one that is inside of libcrypto, or not installed. */
export function providerFile(
  root: RootFileSystem,
  directories: readonly string[],
  name: string,
): string | null {
  const places = directories.map((parent) => `${parent}/${PROVIDERS}/${name}.so`);
  return places.find((place) => !root.isAbsent(place)) ?? null;
}

const CONFIGURATIONS = ['/etc/ssl/openssl.cnf', '/etc/pki/tls/openssl.cnf', '/usr/lib/ssl/openssl.cnf'];
const PROVIDERS = 'ossl-modules';
const ENGINES = ['engines-3', 'engines-1.1'];

type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

function readSections(root: RootFileSystem, configuration: string, list: LibraryList): Sections {
  const sections = new Map<string, Map<string, string>>();
  const seen = new Set<string>();
  const read = (path: string, start: string): string => {
    let name = start;
    if (seen.has(path) || seen.size >= MOST_FILES) return name;
    seen.add(path);
    const text = root.readText(path);
    if (text === null) {
      list.problems.push(`${configuration} includes ${path}, which cannot be read`);
      return name;
    }
    for (const line of text.replace(/\\\n/g, '').split('\n')) {
      const bare = line.replace(/#.*$/, '').trim();
      const include = /^\.include\s*=?\s*(.+)$/.exec(bare)?.[1];
      if (include !== undefined) {
        const target = absolutePath(include.trim(), directoryOf(path));
        const inside = root.list(target).filter((file) => /\.(?:cnf|conf)$/.test(file));
        const files = inside.length > 0 ? inside.map((file) => `${target}/${file}`) : [target];
        for (const file of files) name = read(file, name);
        continue;
      }
      name = /^\[\s*(.*?)\s*\]$/.exec(bare)?.[1] ?? name;
      const [, key, value] = /^([^=[\]]+?)\s*=\s*(.*)$/.exec(bare) ?? [];
      if (key === undefined || value === undefined) continue;
      let section = sections.get(name);
      if (section === undefined) sections.set(name, (section = new Map()));
      section.set(key, value.replace(/^["'](.*)["']$/, '$1'));
    }
    return name;
  };
  read(configuration, DEFAULT_SECTION);
  return sections;
}

function addConfigured(
  root: RootFileSystem,
  sections: Sections,
  { directories, configuration }: { directories: readonly string[]; configuration: string },
  list: LibraryList,
): void {
  const main = sections.get(sections.get(DEFAULT_SECTION)?.get('openssl_conf') ?? '');
  const add = (
    kind: 'provider' | 'engine',
    folders: readonly string[],
    name: string,
    file: string | undefined,
  ): void => {
    const reason = `${kind} ${name} of ${configuration}`;
    const bare = file ?? `${name}.so`;
    if (bare.startsWith('/')) return list.add(bare, reason);
    const places = directories.flatMap((parent) => folders.map((folder) => `${parent}/${folder}/${bare}`));
    const found = places.find((place) => !root.isAbsent(place));
    // `default` and `base` are inside of libcrypto; what is not installed cannot be opened.
    if (found !== undefined) list.add(found, reason);
  };
  for (const [name, section] of sections.get(main?.get('providers') ?? '') ?? []) {
    add('provider', [PROVIDERS], name, sections.get(section)?.get('module'));
  }
  for (const [name, section] of sections.get(main?.get('engines') ?? '') ?? []) {
    const values = sections.get(section);
    add('engine', ENGINES, values?.get('engine_id') ?? name, values?.get('dynamic_path'));
  }
}

const DEFAULT_SECTION = 'default';
const MOST_FILES = 64;
