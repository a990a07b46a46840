import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadWorkload, workloadFile, workloadNames } from '../../src/study/workload/load.ts';

const FOLDER = join(import.meta.dirname, '../../workloads');

describe('the workloads that ship', () => {
  it('are those of the programs that soundness is promised for', () => {
    expect(workloadNames(FOLDER)).toEqual(
      expect.arrayContaining([
        ...['bash', 'cat', 'curl', 'dash', 'find', 'git', 'gzip', 'lighttpd', 'ls', 'memcached', 'nginx'],
        ...['python3', 'redis-server', 'sort', 'sqlite3', 'ssh-keygen', 'tar'],
      ]),
    );
  });

  it.each(workloadNames(FOLDER))(
    '%s is valid, and has cases that benchmark and cases that explore',
    (name) => {
      const { cases } = loadWorkload(workloadFile(FOLDER, name));
      expect(cases.filter(({ kind }) => kind === 'benchmark').length).toBeGreaterThanOrEqual(3);
      expect(cases.filter(({ kind }) => kind === 'explore').length).toBeGreaterThanOrEqual(5);
    },
  );

  it('keep to what a placeholder and the scratch directory give them', () => {
    for (const name of workloadNames(FOLDER)) {
      const text = JSON.stringify(loadWorkload(workloadFile(FOLDER, name)));
      expect(text).not.toMatch(/\/tmp\/|\/root\/|:[0-9]{4,5}\b/u);
      expect(existsSync(join(FOLDER, `${name}.yaml`))).toBe(true);
    }
  });
});
