import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadWorkload, workloadFile, workloadNames } from '../../src/study/workload/load.ts';

const FOLDER = join(import.meta.dirname, '../../workloads');

/** Those for which the static analysis promises that it misses nothing. */
const PROGRAMS =
  'ls cat sort find tar gzip sqlite3 redis-server nginx memcached lighttpd dnsmasq bash dash git curl ssh-keygen python3'.split(
    ' ',
  );

describe('the workloads that ship', () => {
  it('are those of the programs that soundness is promised for', () => {
    expect(workloadNames(FOLDER)).toEqual(expect.arrayContaining(PROGRAMS));
  });

  it.each(workloadNames(FOLDER))(
    '%s is valid, and has cases that benchmark and cases that explore',
    (name) => {
      const { cases } = loadWorkload(workloadFile(FOLDER, name));
      expect(cases.filter(({ kind }) => kind === 'benchmark').length).toBeGreaterThanOrEqual(2);
      expect(cases.filter(({ kind }) => kind === 'explore').length).toBeGreaterThanOrEqual(5);
    },
  );

  it.each(workloadNames(FOLDER))('%s names no port and no place outside of its scratch directory', (name) => {
    const { setup, servers, cases } = loadWorkload(workloadFile(FOLDER, name));
    const scripts = [
      setup,
      ...servers.flatMap(({ command, stop }) => [command, stop]),
      ...cases.flatMap((entry) => [entry.setup, ...entry.steps.map(({ run }) => run)]),
    ];
    const wanting = /(127\.0\.0\.1|localhost):[0-9]{2,}|>\s*(\/tmp|\/var|\/root|~)/u;
    expect(scripts.filter((script) => wanting.test(script))).toEqual([]);
  });
});
