import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FormatError } from '../../base/errors.ts';
import { runTool } from '../../elf/testing/program.ts';
import { absolutePath } from './dynamic-string.ts';
import { gconvLibraries, parseGconvCache } from './gconv.ts';
import { globFiles } from './glob.ts';
import { loadSet } from './load-set.ts';
import { opensslLibraries } from './openssl.ts';
import { pamLibraries } from './pam.ts';
import { libraryDirectories, pluginLibraries } from './plugin.ts';
import { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';
import { apacheLibraries, lighttpdLibraries, nginxLibraries, slapdLibraries } from './server-modules.ts';
import { openedFiles } from './testing/opened-files.ts';
import { Tree } from './testing/tree.ts';

const namesOf = ({ libraries }: RunTimeLibraries): string[] => libraries.map(({ name }) => name);

describe('gconvLibraries', () => {
  const directory = libraryDirectories(loadSet('/usr/bin/iconv'))[0]!;

  it('finds a file for each converter, and the cache has no other', () => {
    const root = new RootFileSystem();
    const { libraries, problems } = gconvLibraries(root, [directory]);
    expect(problems).toEqual([]);
    expect(libraries.length).toBeGreaterThan(100);
    expect(libraries.filter(({ name }) => root.realPath(name) === null)).toEqual([]);
    const cached = parseGconvCache(readFileSync(`${directory}/gconv/gconv-modules.cache`));
    expect(cached.length).toBeGreaterThan(100);
    const all = new Set(namesOf({ libraries, problems }));
    expect(cached.filter((name) => !all.has(absolutePath(name, `${directory}/gconv`)))).toEqual([]);
  });

  it('has what iconv opens', () => {
    const trace = openedFiles(['iconv', '-f', 'EUC-JP', '-t', 'KOI8-R', '/dev/null']);
    const opened = [...trace.matchAll(/"([^"]*\/gconv\/[^"]*\.so)", [^=]*= \d/g)].map(([, path]) => path!);
    expect(opened.length).toBeGreaterThan(1);
    const root = new RootFileSystem();
    const set = loadSet('/usr/bin/iconv');
    for (const name of namesOf(gconvLibraries(root, [directory])))
      if (/EUC-JP|KOI8-R/.test(name)) set.open(name, null, 'gconv');
    const paths = set.objects.map(({ realPath }) => realPath);
    for (const path of opened) expect(paths).toContain(root.realPath(path));
  });

  it('reads a changed cache, or refuses it', () => {
    const original = readFileSync(`${directory}/gconv/gconv-modules.cache`);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(original);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          parseGconvCache(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
    expect(() => parseGconvCache(Buffer.from('text that is none'))).toThrow('gconv cache: magic is 74786574');
    using tree = new Tree({ '/lib/gconv/gconv-modules.cache': 'text that is none' });
    expect(gconvLibraries(tree.root(), ['/lib']).problems[0]).toContain('cannot be read: gconv cache: magic');
  });
});

describe('pamLibraries', () => {
  const MODULES = {
    '/lib/security/pam_a.so': '',
    '/lib/security/pam_b.so': '',
    '/lib/security/pam_c.so': '',
  };
  const namesFor = (files: Readonly<Record<string, string>>, service: string | null): string[] => {
    using tree = new Tree({ ...MODULES, ...files });
    return namesOf(pamLibraries(tree.root(), service, ['/lib']));
  };

  it('follows include, substack, @include and continued lines, and adds the service other', () => {
    const files = {
      '/etc/pam.d/login':
        '# c\nauth [success=1 default=ignore] pam_a.so arg\n@include shared\nsession \\\n required \\\n /opt/pam_x.so\n',
      '/etc/pam.d/shared': '-session optional $ISA/pam_b.so\naccount include login\n',
      '/etc/pam.d/other': 'auth substack last\nauth required pam_missing.so',
      '/usr/lib/pam.d/last': 'password required pam_c.so',
    };
    expect(namesFor(files, 'login')).toEqual([
      '/lib/security/pam_a.so',
      '/lib/security/pam_b.so',
      '/opt/pam_x.so',
      '/lib/security/pam_c.so',
    ]);
    expect(namesFor(files, 'sshd')).toEqual(['/lib/security/pam_c.so']);
    expect(namesFor(files, null)).toHaveLength(4);
  });

  it('reads pam.conf where there are no folders', () => {
    const files = {
      '/etc/pam.conf':
        'login auth required pam_a.so\nsshd auth required pam_b.so\nOTHER auth required pam_c.so\n',
    };
    expect(namesFor(files, 'login')).toEqual(['/lib/security/pam_a.so', '/lib/security/pam_c.so']);
  });

  it('reports what it cannot follow', () => {
    using tree = new Tree({ '/etc/pam.d/login': 'auth include nothing\nnonsense\n' });
    expect(pamLibraries(tree.root(), 'login', ['/lib']).problems).toEqual([
      '/etc/pam.d/login includes nothing, which is missing',
      '/etc/pam.d/login: line "nonsense" cannot be read',
    ]);
  });
});

describe('opensslLibraries', () => {
  const INSTALLED = {
    '/lib/ossl-modules/legacy.so': '',
    '/lib/engines-3/afalg.so': '',
    '/lib/engines-3/notes.txt': '',
  };
  const CONFIGURATION = `
openssl_conf = init
[init]
providers = list
engines = machines
[list]
default = default_section
legacy = legacy_section
own = own_section
[default_section]
activate = 1
[own_section]
module = "/opt/own.so"
[machines]
afalg = afalg_section
.include more
`;

  it('follows the sections of the configuration', () => {
    using tree = new Tree({
      ...INSTALLED,
      '/etc/ssl/openssl.cnf': CONFIGURATION,
      '/etc/ssl/more/extra.cnf': '[afalg_section]\nengine_id = afalg\n',
    });
    const { libraries, problems } = opensslLibraries(tree.root(), { directories: ['/lib'] });
    expect(problems).toEqual([]);
    expect(libraries).toEqual([
      { name: '/lib/ossl-modules/legacy.so', reason: 'provider legacy of /etc/ssl/openssl.cnf' },
      { name: '/opt/own.so', reason: 'provider own of /etc/ssl/openssl.cnf' },
      { name: '/lib/engines-3/afalg.so', reason: 'engine afalg of /etc/ssl/openssl.cnf' },
    ]);
  });

  it('adds what is installed on demand, and nothing where nothing is configured', () => {
    using tree = new Tree({
      ...INSTALLED,
      '/etc/ssl/openssl.cnf': '.include loop\n',
      '/etc/ssl/loop': '.include openssl.cnf',
    });
    const directories = ['/lib'];
    expect(namesOf(opensslLibraries(tree.root(), { directories }))).toEqual([]);
    expect(namesOf(opensslLibraries(tree.root(), { directories, all: true }))).toEqual([
      '/lib/ossl-modules/legacy.so',
      '/lib/engines-3/afalg.so',
    ]);
    const configuration = '/etc/none.cnf';
    expect(opensslLibraries(tree.root(), { directories, configuration }).problems).toHaveLength(1);
  });
});

describe('modules of servers', () => {
  it('nginx: load_module of all that is included, relative to the prefix', () => {
    using tree = new Tree({
      '/etc/nginx/nginx.conf':
        'user x; include modules-enabled/*.conf;\nload_module "/opt/a.so";# load_module no.so;\nhttp { include none.conf; }',
      '/etc/nginx/modules-enabled/1.conf': 'load_module modules/b.so;',
      '/etc/nginx/modules-enabled/.hidden.conf': 'load_module modules/c.so;',
    });
    const program = Buffer.from(
      '\0configure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --more\0',
    );
    const { libraries, problems } = nginxLibraries(tree.root(), program);
    expect(libraries.map(({ name }) => name)).toEqual(['/opt/a.so', '/usr/share/nginx/modules/b.so']);
    expect(problems).toEqual(['/etc/nginx/none.conf cannot be read']);
  });

  it('lighttpd: server.modules, back ends of what is listed, and what it adds by itself', () => {
    using tree = new Tree({
      '/etc/lighttpd/lighttpd.conf':
        'server.modules = ( "mod_auth", # "mod_cgi"\n "mod_builtin" )\ninclude "conf-enabled/*.conf"\ninclude_shell "print it"\n',
      '/etc/lighttpd/conf-enabled/a.conf': 'server.modules += ( "mod_proxy" )\nssl.engine = "enable"',
      ...Object.fromEntries(
        ['auth', 'authn_file', 'cgi', 'dirlisting', 'openssl', 'proxy', 'vhostdb'].map((name) => [
          `/usr/lib/lighttpd/mod_${name}.so`,
          '',
        ]),
      ),
    });
    const { libraries, problems } = lighttpdLibraries(tree.root());
    expect(libraries.map(({ name }) => name.slice('/usr/lib/lighttpd/mod_'.length, -3))).toEqual([
      'auth',
      'authn_file',
      'dirlisting',
      'openssl',
      'proxy',
    ]);
    expect(problems).toEqual([
      '/etc/lighttpd/lighttpd.conf includes what print it prints, which was not run',
    ]);
  });

  it('say which configuration and which directories cannot be looked at', () => {
    using tree = new Tree({
      '/etc/apache2/apache2.conf': 'IncludeOptional mods/*.load\nIncludeOptional /etc/loop/*.load\n',
      '/etc/apache2/mods/a.load': { link: 'a.load' },
      '/etc/loop': { link: 'loop' },
      '/etc/ldap/slapd.d/cn=config.ldif': 'olcModuleLoad: back_mdb\n',
      '/etc/ldap/slapd.d/cn=config': { link: 'cn=config' },
      '/etc/lighttpd/lighttpd.conf': 'server.modules = ( "mod_cgi" )\n',
      '/usr/lib/lighttpd': { link: 'lighttpd' },
      '/etc/pam.d': { link: '/etc/loop' },
    });
    const root = tree.root();
    expect(apacheLibraries(root).problems).toEqual([
      '/etc/loop cannot be listed, ELOOP',
      '/etc/apache2/mods/a.load cannot be read',
    ]);
    expect(slapdLibraries(root).problems).toEqual([
      'what is in /etc/ldap/slapd.d cannot be looked at, ELOOP',
    ]);
    expect(lighttpdLibraries(root).problems).toEqual(['/usr/lib/lighttpd cannot be listed, ELOOP']);
    expect(pamLibraries(root, null, []).problems).toEqual(['/etc/pam.d cannot be listed, ELOOP']);
  });

  it('apache: LoadModule of all that is included', () => {
    using tree = new Tree({
      '/etc/apache2/apache2.conf':
        'ServerRoot "/etc/apache2"\nIncludeOptional mods-enabled/*.load\n#Include /no\n',
      '/etc/apache2/mods-enabled/a.load': 'LoadModule a_module /usr/lib/apache2/modules/mod_a.so\n',
      '/etc/apache2/mods-enabled/b.conf': 'LoadModule b_module b.so\n',
    });
    expect(apacheLibraries(tree.root())).toMatchObject({
      libraries: [
        {
          name: '/usr/lib/apache2/modules/mod_a.so',
          reason: 'LoadModule a_module in /etc/apache2/mods-enabled/a.load',
        },
      ],
      problems: [],
    });
    using empty = new Tree();
    expect(namesOf(apacheLibraries(empty.root()))).toEqual([]);
  });

  it('are chosen by program and library', () => {
    const nginx = pluginLibraries(loadSet('/usr/sbin/nginx'));
    const listed = runTool('nginx', ['-T']).matchAll(/^\s*load_module\s+(\S+);/gm);
    expect(namesOf(nginx).filter((name) => name.includes('ngx_'))).toHaveLength([...listed].length);
    expect(
      namesOf(pluginLibraries(loadSet('/usr/bin/memcached'))).some((name) => name.includes('/sasl2/')),
    ).toBe(true);
    expect(namesOf(pluginLibraries(loadSet('/usr/bin/ls')))).toEqual([]);
  });
});

describe('globFiles', () => {
  const tree = { '/a/one.conf': '', '/a/two.conf': '', '/a/.three.conf': '', '/b/one.load': '' };

  it.each([
    { pattern: '/a/*.conf', want: ['/a/one.conf', '/a/two.conf'] },
    { pattern: '/*/one.*', want: ['/a/one.conf', '/b/one.load'] },
    { pattern: '/a/[!o]*', want: ['/a/two.conf'] },
    { pattern: '/a/[m-o]n?.conf', want: ['/a/one.conf'] },
    { pattern: '/a/one.conf', want: ['/a/one.conf'] },
    { pattern: '/a/.th*', want: ['/a/.three.conf'] },
    { pattern: '/a/none*', want: [] },
    { pattern: '/c', want: [] },
  ])('finds $want for $pattern', ({ pattern, want }) => {
    using folder = new Tree(tree);
    expect(globFiles(folder.root(), pattern, new LibraryList())).toEqual(want);
  });

  it('is not slow on many stars', () => {
    using folder = new Tree({ [`/${'a'.repeat(200)}`]: '' });
    expect(globFiles(folder.root(), `/${'*a'.repeat(60)}*b`, new LibraryList())).toEqual([]);
  });
});
