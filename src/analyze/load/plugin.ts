import { directoryOf } from './dynamic-string.ts';
import { extensionLibraries, javaLibraries } from './extensions.ts';
import type { LoadSet } from './load-set.ts';
import { cannotList } from './object-reader.ts';
import { opensslLibraries } from './openssl.ts';
import { pamLibraries } from './pam.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';
import { apacheLibraries, lighttpdLibraries, nginxLibraries, slapdLibraries } from './server-modules.ts';

/**
 * What a load set is known to open by its configuration or from its plug-in directories: rows of a table apply by the name of the program or of a library.
 *
 * NSS and gconv are left to functions of their own, as they depend on what the program looks up.
 */
export function pluginLibraries(loadSet: LoadSet): RunTimeLibraries {
  const list = new LibraryList();
  for (const { program, library, find } of PLUGINS) {
    const openers = loadSet.objects
      .filter(({ role, realPath, soname }) =>
        role === 'program' ? program?.test(realPath) : library?.test(soname ?? ''),
      )
      .map(({ index }) => index);
    if (openers.length > 0) list.addAll(find(loadSet), openers);
  }
  return list;
}

/** The directories that hold libraries of a load set, without symbolic links, in the order of the load: plug-ins are looked for below them. */
export function libraryDirectories({ objects }: LoadSet): string[] {
  const libraries = objects.filter(({ role }) => role === 'library');
  return [...new Set(libraries.map(({ realPath }) => directoryOf(realPath)))];
}

interface PluginRow {
  /** Fits the path of the program. */
  readonly program?: RegExp;
  /** Fits a DT_SONAME of the set. */
  readonly library?: RegExp;
  readonly find: (loadSet: LoadSet) => RunTimeLibraries;
}

const PLUGINS: readonly PluginRow[] = [
  {
    library: /^libcrypto\.so\.(?:3|1\.1)$/,
    find: (set) => opensslLibraries(set.root, { directories: libraryDirectories(set) }),
  },
  // libsasl2 opens all that is in its directory, whatever mechanism is used (sasl_client_init(3)).
  { library: /^libsasl2\.so\./, find: (set) => directoryPlugins(set, 'sasl2', /\.so$/) },
  { library: /^libgssapi_krb5\.so\./, find: (set) => directoryPlugins(set, 'krb5/plugins/*', /\.so$/) },
  // The services of all programs: which one is asked for is often known only at run time, as `su` and `su-l`.
  { library: /^libpam\.so\./, find: (set) => pamLibraries(set.root, null, libraryDirectories(set)) },
  {
    program: /\/nginx$/,
    find: (set) => nginxLibraries(set.root, set.objects[0]?.elf.bytes ?? new Uint8Array()),
  },
  { program: /\/lighttpd$/, find: (set) => lighttpdLibraries(set.root) },
  { program: /\/(?:apache2|httpd)$/, find: (set) => apacheLibraries(set.root) },
  { program: /\/slapd$/, find: (set) => slapdLibraries(set.root) },
  { library: /^libjli\.so$/, find: javaLibraries },
  { program: /\/zsh[\d.-]*$/, find: (set) => extensionLibraries(set, ['zsh/*/zsh']) },
  // What a library of Qt looks for is in folders of its own, beside those of the others.
  { library: /^libQt[56]Gui\.so\./, find: (set) => extensionLibraries(set, qtFolders(GUI_FOLDERS)) },
  { library: /^libQt[56]Widgets\.so\./, find: (set) => extensionLibraries(set, qtFolders(['styles'])) },
  { library: /^libQt[56]Network\.so\./, find: (set) => extensionLibraries(set, qtFolders(NETWORK_FOLDERS)) },
  { library: /^libQt[56]Sql\.so\./, find: (set) => extensionLibraries(set, qtFolders(['sqldrivers'])) },
  // Of interpreters what they are installed with; packages that were added are too many, and given by --dlopen.
  {
    program: /\/python\d[\d.]*$/,
    library: /^libpython\d/,
    find: (set) => extensionLibraries(set, ['python[0-9]*/lib-dynload']),
  },
  {
    program: /\/perl[\d.]*$/,
    library: /^libperl\.so/,
    find: (set) => extensionLibraries(set, ['perl/[0-9]*', 'perl-base', 'perl5']),
  },
  {
    program: /\/ruby[\d.]*$/,
    library: /^libruby/,
    find: (set) => extensionLibraries(set, ['ruby/[0-9]*']),
  },
  {
    program: /\/php(?:-fpm|-cgi|dbg)?[\d.]*$/,
    library: /^libphp/,
    find: (set) => extensionLibraries(set, ['php/[0-9]*', 'php/modules', 'php/extensions']),
  },
];

const GUI_FOLDERS = [
  'platforms',
  'platformthemes',
  'platforminputcontexts',
  'imageformats',
  'iconengines',
  'generic',
  'xcbglintegrations',
  'egldeviceintegrations',
  'wayland-*',
];

const NETWORK_FOLDERS = ['bearer', 'networkinformation', 'tls'];

/** Distributions have them below `qt5` or `qt6`, Qt's own builds beside `lib`. */
function qtFolders(names: readonly string[]): string[] {
  return names.flatMap((name) => [`qt[56]/plugins/${name}`, `../plugins/${name}`]);
}

/** All of a directory below those that hold libraries; `/*` at its end stands for each directory in it. */
function directoryPlugins(set: LoadSet, folder: string, fits: RegExp): RunTimeLibraries {
  const list = new LibraryList();
  const bare = folder.replace(/\/\*$/, '');
  for (const parent of libraryDirectories(set)) {
    const base = `${parent}/${bare}`;
    const directories = bare === folder ? [base] : set.root.list(base).map((name) => `${base}/${name}`);
    const failure = set.root.listFailure(base);
    if (failure !== null) list.addProblem(cannotList(base, failure));
    for (const directory of directories) {
      list.addListed(set.root, directory, fits, `plug-in in ${directory}`);
    }
  }
  return list;
}
