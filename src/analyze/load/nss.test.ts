import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { NSS_DATABASES, nssLibraries, nssServices, parseNssLine, type NssOptions } from './nss.ts';
import { RootFileSystem } from './root.ts';
import { openedFiles } from './testing/opened-files.ts';
import { Tree } from './testing/tree.ts';

const namesIn = (text: string): string[] => parseNssLine(text).map(({ name }) => name);

describe('parseNssLine', () => {
  it.each([
    {
      text: ' files dns ',
      want: [
        { name: 'files', actions: {} },
        { name: 'dns', actions: {} },
      ],
    },
    {
      text: 'nis [NOTFOUND=return] files',
      want: [
        { name: 'nis', actions: { NOTFOUND: 'RETURN' } },
        { name: 'files', actions: {} },
      ],
    },
    {
      text: 'a[!UNAVAIL=return success=continue]b',
      want: [
        { name: 'a', actions: { SUCCESS: 'CONTINUE', NOTFOUND: 'RETURN', TRYAGAIN: 'RETURN' } },
        { name: 'b', actions: {} },
      ],
    },
    {
      text: 'files [SUCCESS=merge] sss',
      want: [
        { name: 'files', actions: { SUCCESS: 'MERGE' } },
        { name: 'sss', actions: {} },
      ],
    },
    { text: 'files [UNKNOWN=return] dns', want: [{ name: 'files', actions: {} }] },
    { text: '[NOTFOUND=return] files', want: [] },
    { text: 'files [NOTFOUND=return', want: [{ name: 'files', actions: {} }] },
    { text: '', want: [] },
  ])('reads "$text"', ({ text, want }) => {
    expect(parseNssLine(text)).toEqual(want);
  });
});

describe('nssServices', () => {
  it('has the defaults of glibc where there is no file', () => {
    using tree = new Tree();
    const services = nssServices(tree.root());
    const named = Object.fromEntries(
      [...services].map(([database, list]) => [database, list.map(({ name }) => name).join(' ')]),
    );
    expect(named).toMatchObject({
      passwd: 'files',
      group: 'files',
      shadow: 'files',
      hosts: 'files dns',
      networks: 'files dns',
      services: 'files',
      initgroups: '',
      publickey: 'nis nisplus',
    });
    expect([...services.keys()].sort()).toEqual([...NSS_DATABASES].sort());
  });

  it('lets shadow follow passwd, takes the last line, ignores comments and other databases', () => {
    using tree = new Tree({
      '/etc/nsswitch.conf':
        '# passwd: x\n  passwd : files sss # systemd\nhosts: files\nhosts: dns\nsudoers: ldap\ngroup:compat\nbroken\n',
    });
    const services = nssServices(tree.root());
    const names = (database: (typeof NSS_DATABASES)[number]): string[] =>
      (services.get(database) ?? []).map(({ name }) => name);
    expect(names('passwd')).toEqual(['files', 'sss']);
    expect(names('shadow')).toEqual(['files', 'sss']);
    expect(names('gshadow')).toEqual(['compat']);
    expect(names('hosts')).toEqual(['dns']);
  });

  it('is not slow or stuck on any text', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('[', ']', ' ', '=', '!', 'a', ':', '\n', 'RETURN', 'passwd'),
          maxLength: 400,
        }),
        (text) => {
          expect(namesIn(text).every((name) => !/[\s[]/.test(name))).toBe(true);
        },
      ),
    );
    expect(namesIn('[a '.repeat(50_000))).toEqual([]);
  });
});

describe('nssLibraries', () => {
  const FILE =
    'passwd: files systemd [SUCCESS=return NOTFOUND=return UNAVAIL=return TRYAGAIN=return] never\nhosts: files mymachines [NOTFOUND=return] dns\ngroup: compat\n';

  it.each<{ options: NssOptions; want: string[] }>([
    { options: { databases: ['passwd'] }, want: ['libnss_systemd.so.2'] },
    { options: { databases: ['hosts'] }, want: ['libnss_mymachines.so.2'] },
    {
      options: { databases: ['hosts'], builtIn: [] },
      want: ['libnss_files.so.2', 'libnss_mymachines.so.2', 'libnss_dns.so.2'],
    },
    {
      options: { databases: ['group', 'group_compat', 'passwd_compat'] },
      want: ['libnss_compat.so.2', 'libnss_nis.so.2'],
    },
    { options: { databases: ['services'] }, want: [] },
  ])('gives what $options can come to', ({ options, want }) => {
    using tree = new Tree({ '/etc/nsswitch.conf': FILE });
    const { libraries, problems } = nssLibraries(tree.root(), options);
    expect(libraries.map(({ name }) => name)).toEqual(want);
    expect(libraries.every(({ reason }) => /service \w+ of database \w+ in/.test(reason))).toBe(true);
    expect(problems).toEqual([]);
  });

  it('names what getent opens on this machine', () => {
    const wanted = new Set(nssLibraries(new RootFileSystem()).libraries.map(({ name }) => name));
    const trace = openedFiles(['getent', 'passwd', '4242424']);
    const opened = [...trace.matchAll(/\/(libnss_\w+\.so\.2)"/g)].map(([, name]) => name!);
    expect(readFileSync('/etc/nsswitch.conf', 'utf8')).toContain('passwd');
    expect(trace).toContain('/etc/nsswitch.conf');
    for (const name of opened) expect(wanted).toContain(name);
  });
});
