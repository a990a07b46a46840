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
