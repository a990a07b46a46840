import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { Workshop } from '../../elf/testing/program.ts';
import { loadSet } from './load-set.ts';
import { pluginLibraries } from './plugin.ts';
import { Tree } from './testing/tree.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

interface Case {
  readonly name: string;
  /** Where the program is; default where no row fits it. */
  readonly program?: string;
  /** A library that it needs, by its DT_SONAME, and its directory. */
  readonly library?: string;
  readonly directory?: string;
  readonly files: Readonly<Record<string, string>>;
  readonly want: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'PAM: the modules of all services',
    library: 'libpam.so.0',
    files: {
      '/etc/pam.d/su': 'auth sufficient pam_rootok.so\n@include common',
      '/etc/pam.d/common': 'session required pam_unix.so',
      '/etc/pam.d/su-l': 'session optional pam_keyinit.so',
      [`${LIBRARIES}/security/pam_rootok.so`]: '',
      [`${LIBRARIES}/security/pam_unix.so`]: '',
      [`${LIBRARIES}/security/pam_keyinit.so`]: '',
      [`${LIBRARIES}/security/pam_unused.so`]: '',
    },
    want: ['pam_unix.so', 'pam_rootok.so', 'pam_keyinit.so'].map((name) => `${LIBRARIES}/security/${name}`),
  },
  {
    name: 'Java: the libraries beside the one that starts it',
    library: 'libjli.so',
    directory: '/usr/lib/jvm/17/lib',
    files: { '/usr/lib/jvm/17/lib/server/libjvm.so': '', '/usr/lib/jvm/17/lib/jvm.cfg': '' },
    want: ['/usr/lib/jvm/17/lib/libjli.so', '/usr/lib/jvm/17/lib/server/libjvm.so'],
  },
  {
    name: 'zsh: its modules',
    program: '/usr/bin/zsh',
    files: { [`${LIBRARIES}/zsh/5.9/zsh/net/tcp.so`]: '', [`${LIBRARIES}/zsh/5.9/zsh/zle.so`]: '' },
    want: [`${LIBRARIES}/zsh/5.9/zsh/zle.so`, `${LIBRARIES}/zsh/5.9/zsh/net/tcp.so`],
  },
  {
    name: 'Qt: platforms, not what other libraries of it look for',
    library: 'libQt5Gui.so.5',
    files: {
      [`${LIBRARIES}/qt5/plugins/platforms/libqxcb.so`]: '',
      [`${LIBRARIES}/qt5/plugins/sqldrivers/libqsqlite.so`]: '',
    },
    want: [`${LIBRARIES}/qt5/plugins/platforms/libqxcb.so`],
  },
  {
    name: 'Python: the modules that it is installed with',
    program: '/opt/python/bin/python3.11',
    files: {
      '/opt/python/lib/python3.11/lib-dynload/_ssl.so': '',
      '/opt/python/lib/python3.11/site-packages/other.so': '',
    },
    want: ['/opt/python/lib/python3.11/lib-dynload/_ssl.so'],
  },
  {
    name: 'Perl: the modules that it is installed with',
    library: 'libperl.so.5.36',
    files: {
      [`${LIBRARIES}/perl/5.36/auto/POSIX/POSIX.so`]: '',
      [`${LIBRARIES}/perl-base/auto/IO/IO.so`]: '',
      [`${LIBRARIES}/perl-base/auto/IO/IO.pm`]: '',
    },
    want: [`${LIBRARIES}/perl/5.36/auto/POSIX/POSIX.so`, `${LIBRARIES}/perl-base/auto/IO/IO.so`],
  },
  {
    name: 'Ruby: the modules that it is installed with',
    library: 'libruby-3.1.so.3.1',
    files: { [`${LIBRARIES}/ruby/3.1.0/io/wait.so`]: '', [`${LIBRARIES}/ruby/gems/other.so`]: '' },
    want: [`${LIBRARIES}/ruby/3.1.0/io/wait.so`],
  },
  {
    name: 'PHP: its extensions',
    program: '/usr/sbin/php-fpm8.2',
    files: { '/usr/lib/php/20220829/ctype.so': '', '/usr/lib/php/8.2/php.ini': '' },
    want: ['/usr/lib/php/20220829/ctype.so'],
  },
  {
    name: 'slapd: the modules of its entries, whatever slapd.conf says',
    program: '/usr/sbin/slapd',
    files: {
      '/etc/ldap/slapd.d/cn=config/cn=module{0}.ldif':
        'olcModulePath: /usr/lib/ldap\nolcModuleLoad: {0}back_mdb\nolcModuleLoad: {1}ppolicy.la\n',
      '/etc/ldap/slapd.conf': 'moduleload back_perl\n',
      '/usr/lib/ldap/back_mdb.so': '',
      '/usr/lib/ldap/ppolicy.so': '',
      '/usr/lib/ldap/back_perl.so': '',
    },
    want: ['/usr/lib/ldap/back_mdb.so', '/usr/lib/ldap/ppolicy.so'],
  },
  {
    name: 'slapd: those of slapd.conf and what it includes',
    program: '/usr/sbin/slapd',
    files: {
      '/etc/openldap/slapd.conf':
        'modulepath /opt/a:/opt/b\nmoduleload back_mdb.la\ninclude /etc/more.conf\n',
      '/etc/more.conf': '# moduleload none\nmoduleload\t/opt/c/own.so\n',
      '/opt/b/back_mdb.so': '',
      '/opt/b/unused.so': '',
      '/opt/c/own.so': '',
    },
    want: ['/opt/b/back_mdb.so', '/opt/c/own.so'],
  },
  {
    name: 'slapd: one that is not there, where it is looked for first',
    program: '/usr/sbin/slapd',
    files: {
      '/etc/openldap/slapd.conf': 'modulepath /opt/a:/opt/b\nmoduleload back_mdb.la\n',
      '/opt/b/unused.so': '',
    },
    want: ['/opt/a/back_mdb.so'],
  },
  {
    name: 'slapd: all that are installed where there is no configuration',
    program: '/usr/sbin/slapd',
    files: { '/usr/lib/ldap/back_mdb.so': '', '/usr/lib/ldap/back_mdb.la': '' },
    want: ['/usr/lib/ldap/back_mdb.so'],
  },
];

/** A program without a loader that needs a library of a name. */
function programWith(soname: string): readonly [program: Uint8Array, library: Uint8Array] {
  const library = workshop.compile(soname, 'int value;', ['-shared', '-nostdlib', `-Wl,-soname,${soname}`]);
  const program = workshop.compile(`with-${soname}`, 'void _start(void) {}', [
    '-nostdlib',
    '-pie',
    '-Wl,--no-dynamic-linker,--no-as-needed',
    library,
  ]);
  return [readFileSync(program), readFileSync(library)];
}

describe('pluginLibraries', () => {
  it.each(CASES)('$name', ({ program = '/opt/program', library, directory = LIBRARIES, files, want }) => {
    const soname = library ?? 'libother.so.1';
    const [own, needed] = programWith(soname);
    using tree = new Tree({ ...files, [program]: own, [`${directory}/${soname}`]: needed });
    // So that it is found wherever it is.
    tree.write('/etc/ld.so.preload', `${directory}/${soname}`);
    const { libraries } = pluginLibraries(loadSet(program, { root: tree.root() }));
    expect(libraries.map(({ name }) => name)).toEqual(want);
  });

  it('finds nothing for a program that no row fits', () => {
    const [own, needed] = programWith('libother.so.1');
    using tree = new Tree({ '/opt/program': own, [`${LIBRARIES}/libother.so.1`]: needed });
    expect(pluginLibraries(loadSet('/opt/program', { root: tree.root() })).libraries).toEqual([]);
  });
});
