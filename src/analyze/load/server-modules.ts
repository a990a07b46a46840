import { absolutePath, directoryOf } from './dynamic-string.ts';
import { filesBelow } from './files-below.ts';
import { globFiles } from './glob.ts';
import { cannotList } from './object-reader.ts';
import type { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/**
 * The modules that nginx loads: `load_module` of its configuration and all that it includes.
 *
 * `program` is the bytes of nginx, which hold its configure options: prefix and path of the configuration. Source: nginx's documentation of load_module.
 */
export function nginxLibraries(
  root: RootFileSystem,
  program: Uint8Array,
  configuration?: string,
): RunTimeLibraries {
  const list = new LibraryList();
  const options = textOf(program);
  const prefix = /--prefix=(\/[^\s\0]+)/.exec(options)?.[1] ?? '/etc/nginx';
  const path = configuration ?? /--conf-path=(\/[^\s\0]+)/.exec(options)?.[1] ?? '/etc/nginx/nginx.conf';
  const files = new ConfigurationFiles(root, list);
  files.read(path, (text, file) => {
    // Quoted or not; the directive is known in the main context only, where no other has its name.
    for (const [, keyword, quoted, plain] of text.matchAll(
      /(?<=^|[;{}\s])(load_module|include)\s+(?:["']([^"'\n]+)["']|([^\s;"']+))\s*;/g,
    )) {
      const value = quoted ?? plain ?? '';
      if (keyword === 'load_module') list.add(absolutePath(value, prefix), `load_module in ${file}`);
      else files.include(absolutePath(value, directoryOf(path)));
    }
  });
  return list;
}

/**
 * The modules that lighttpd loads: `server.modules` of its configuration and all that it includes, and what it adds by itself.
 *
 * What `include_shell` would print is unknown and a problem, as long as modules could be in it. Source: lighttpd's wiki, "server.modules".
 */
export function lighttpdLibraries(
  root: RootFileSystem,
  configuration = '/etc/lighttpd/lighttpd.conf',
  directory = '/usr/lib/lighttpd',
): RunTimeLibraries {
  const list = new LibraryList();
  const names = new Map<string, string>();
  let folder = directory;
  const files = new ConfigurationFiles(root, list);
  files.read(configuration, (text, file) => {
    folder = /^\s*server\.modules-dir\s*=\s*"([^"]+)"/m.exec(text)?.[1] ?? folder;
    // Every word that is the name of a module: lists are assigned, appended, and built from variables.
    for (const [, name] of text.matchAll(/"(mod_\w+)"/g)) names.set(name as string, file);
    if (/ssl\.engine/.test(text)) names.set('mod_openssl', file);
    for (const [, value] of text.matchAll(/^\s*include\s+"([^"]+)"/gm)) {
      files.include(absolutePath(value as string, directoryOf(configuration)));
    }
    for (const [, command] of text.matchAll(/^\s*include_shell\s+"([^"]+)"/gm)) {
      list.problems.push(`${file} includes what ${command} prints, which was not run`);
    }
  });
  for (const name of ADDED_BY_LIGHTTPD) names.set(name, 'lighttpd itself');
  const failure = root.listFailure(folder);
  if (failure !== null) list.addProblem(cannotList(folder, failure));
  const installed = root.list(folder).filter((name) => name.endsWith('.so'));
  for (const file of installed) {
    const name = file.slice(0, -3);
    // mod_auth and mod_vhostdb load their back ends by names of their own.
    const parent = BACK_ENDS.find((row) => name.startsWith(row.prefix) && names.has(row.module));
    const origin = names.get(name) ?? names.get(parent?.module ?? '');
    if (origin !== undefined) list.add(`${folder}/${file}`, `module ${name} of ${origin}`);
  }
  return list;
}

/** The modules that Apache httpd loads: `LoadModule` of its configuration and all that it includes. */
export function apacheLibraries(root: RootFileSystem, configuration?: string): RunTimeLibraries {
  const list = new LibraryList();
  const path = configuration ?? APACHE_CONFIGURATIONS.find((candidate) => !root.isAbsent(candidate));
  if (path === undefined) return list;
  let serverRoot = directoryOf(path).replace(/\/conf$/, '');
  const files = new ConfigurationFiles(root, list);
  files.read(path, (text, file) => {
    serverRoot = /^\s*ServerRoot\s+"?([^"\n]+)"?/im.exec(text)?.[1] ?? serverRoot;
    for (const [, value] of text.matchAll(/^\s*Include(?:Optional)?\s+"?([^"\n]+?)"?\s*$/gim)) {
      files.include(absolutePath(value as string, serverRoot));
    }
    for (const [, name, module] of text.matchAll(/^\s*LoadModule\s+(\S+)\s+"?([^"\n]+?)"?\s*$/gim)) {
      list.add(absolutePath(module as string, serverRoot), `LoadModule ${name as string} in ${file}`);
    }
  });
  return list;
}

/**
 * The modules that slapd of OpenLDAP loads: `olcModuleLoad` of the entries in slapd.d, or without them `moduleload` of slapd.conf and all that it
 * includes; every module that is installed where neither can be read. Source: slapd-config(5), slapd.conf(5).
 */
export function slapdLibraries(root: RootFileSystem): RunTimeLibraries {
  const list = new LibraryList();
  let folders = SLAPD_MODULES;
  const add = (module: string, file: string): void => {
    const name = module.replace(/\.(?:la|so)$/, '');
    const places = name.startsWith('/') ? [name] : folders.map((folder) => `${folder}/${name}`);
    // One that is not there is looked for in vain, and is then told of.
    const found = places.find((place) => !root.isAbsent(`${place}.so`)) ?? places[0];
    if (found !== undefined) list.add(`${found}.so`, `module ${name} in ${file}`);
  };
  const below = SLAPD_CONFIGURATIONS.map((folder) => filesBelow(root, `${folder}/slapd.d`));
  const entries = below.flatMap(({ files }) => files);
  const problems = below.flatMap((found) => found.problems);
  const texts = entries.flatMap((file) => {
    const text = root.readText(file);
    if (text === null) problems.push(`${file} cannot be read`);
    return text === null ? [] : [{ file, text }];
  });
  for (const { file, text } of texts) {
    folders = /^olcModulePath:\s*(\S+)/im.exec(text)?.[1]?.split(':') ?? SLAPD_MODULES;
    for (const [, module] of text.matchAll(/^olcModuleLoad:\s*(?:\{\d+\})?(\S+)/gim))
      add(module as string, file);
  }
  const configuration = SLAPD_CONFIGURATIONS.map((folder) => `${folder}/slapd.conf`).find(
    (path) => root.readText(path) !== null,
  );
  if (texts.length === 0 && configuration !== undefined) {
    const files = new ConfigurationFiles(root, list);
    files.read(configuration, (text, file) => {
      for (const [, keyword, value] of text.matchAll(/^(modulepath|moduleload|include)\s+"?([^"\s]+)/gim)) {
        const word = keyword?.toLowerCase();
        if (word === 'modulepath') folders = (value as string).split(':');
        else if (word === 'moduleload') add(value as string, file);
        else files.include(value as string);
      }
    });
  }
  if (texts.length > 0 || configuration !== undefined) {
    for (const problem of problems) list.addProblem(problem);
    return list;
  }
  for (const folder of SLAPD_MODULES) list.addListed(root, folder, /\.so$/, `plug-in in ${folder}`);
  return list;
}

const SLAPD_CONFIGURATIONS = ['/etc/ldap', '/etc/openldap'];
const SLAPD_MODULES = ['/usr/lib/ldap', '/usr/lib64/openldap', '/usr/lib/openldap', '/usr/libexec/openldap'];

const APACHE_CONFIGURATIONS = ['/etc/apache2/apache2.conf', '/etc/httpd/conf/httpd.conf'];

/** Without `server.compat-module-load = "disable"`, since 1.4.56. */
const ADDED_BY_LIGHTTPD = ['mod_indexfile', 'mod_dirlisting', 'mod_staticfile'];

const BACK_ENDS = [
  { module: 'mod_auth', prefix: 'mod_authn_' },
  { module: 'mod_vhostdb', prefix: 'mod_vhostdb_' },
];

/** Reads a configuration and what it includes, each file once, comments removed. */
class ConfigurationFiles {
  readonly #root: RootFileSystem;
  readonly #list: LibraryList;
  readonly #seen = new Set<string>();
  #waiting: string[] = [];

  constructor(root: RootFileSystem, list: LibraryList) {
    this.#root = root;
    this.#list = list;
  }

  read(path: string, take: (text: string, path: string) => void): void {
    this.#waiting = [path];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#seen.has(next)) continue;
      this.#seen.add(next);
      const text = this.#root.readText(next);
      if (text === null) this.#list.problems.push(`${next} cannot be read`);
      else take(text.replace(/("[^"\n]*")|#.*$/gm, '$1'), next);
    }
  }

  include(pattern: string): void {
    if (this.#seen.size + this.#waiting.length > MOST_FILES) {
      this.#list.addProblem(`more than ${MOST_FILES} files are included, and the others were left out`);
      return;
    }
    const found = globFiles(this.#root, pattern, this.#list);
    if (found.length === 0 && !/[*?[]/.test(pattern)) this.#list.problems.push(`${pattern} cannot be read`);
    this.#waiting.push(...found);
  }
}

const MOST_FILES = 4096;

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
