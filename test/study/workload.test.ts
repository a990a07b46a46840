import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeProfiles } from '../../src/profile/merge.ts';
import { parseProfile } from '../../src/profile/load.ts';
import { callSet } from '../../src/profile/sets.ts';
import { parseWorkload, loadWorkload } from '../../src/study/workload/load.ts';
import type { Workload, WorkloadResult } from '../../src/study/workload/model.ts';
import { runWorkload, workloadFailures, workloadFiles } from '../../src/study/workload/run.ts';
import {
  auditingRunner,
  enforcingRunner,
  plainRunner,
  straceRunner,
  traceRunner,
} from '../../src/study/workload/runners.ts';
import { CALLGATE, callgate, temporaryDirectory } from '../support/callgate.ts';

const LS = loadWorkload(join(import.meta.dirname, '../../workloads/ls.yaml'));
const FIVE = ['plain', 'long', 'sorting', 'links', 'errors'];
const LIMIT = 300_000;

function workload(body: string): Workload {
  return parseWorkload(
    `name: test\nprogram: /usr/bin/cat\ndescription: x\npackages: [coreutils]\n${body}`,
    'test',
  );
}

function scratchDirectories(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('callgate-test-workload'));
}

async function plainly(body: string, name = 'test-workload'): Promise<WorkloadResult> {
  using directory = temporaryDirectory();
  return runWorkload({ ...workload(body), name }, plainRunner(), { output: directory.path });
}

describe('a workload', () => {
  it(
    'that is traced case by case gives a policy under which it runs without a violation',
    { timeout: LIMIT },
    async () => {
      using directory = temporaryDirectory();
      const at = (name: string): string => join(directory.path, name);
      const traced = await runWorkload(LS, traceRunner(CALLGATE), { output: at('traces'), cases: FIVE });
      expect(workloadFailures(traced)).toEqual([]);
      expect(traced.cases.map(({ name, files }) => [name, files.length])).toEqual([
        ['plain', 2],
        ['long', 2],
        ['sorting', 7],
        ['links', 4],
        ['errors', 9],
      ]);
      const profiles = workloadFiles(traced).map((file) => parseProfile(readFileSync(file, 'utf8'), file));
      const all = callSet(mergeProfiles(profiles), { program: '/usr/bin/ls' });
      const plain = callSet(profiles[0] as (typeof profiles)[0], { program: '/usr/bin/ls' });
      expect(all.length).toBeGreaterThan(plain.length);

      const made = callgate([
        'policy',
        ...workloadFiles(traced),
        '-o',
        at('ls.yaml'),
        '--on-violation',
        'kill',
      ]);
      expect(made).toMatchObject({ status: 0 });
      const enforced = await runWorkload(LS, enforcingRunner(CALLGATE, at('ls.yaml')), {
        output: at('enforced'),
        cases: FIVE,
      });
      expect(workloadFailures(enforced)).toEqual([]);
      expect(enforced.cases.flatMap(({ steps }) => steps.map(({ exit }) => exit))).toEqual(
        traced.cases.flatMap(({ steps }) => steps.map(({ exit }) => exit)),
      );
    },
  );

  it('says which call a policy denied, in which case', { timeout: LIMIT }, async () => {
    using directory = temporaryDirectory();
    const at = (name: string): string => join(directory.path, name);
    const plain = ['trace', '-q', '-o', at('ls.json'), '--', '/usr/bin/ls', '/'];
    expect(callgate(plain).status).toBe(0);
    expect(callgate(['policy', at('ls.json'), '-o', at('ls.yaml'), '--on-violation', 'kill']).status).toBe(0);
    const options = { output: at('out'), cases: ['sizes'] };
    const audited = await runWorkload(LS, auditingRunner(CALLGATE, at('ls.yaml')), options);
    expect(workloadFailures(audited).join('\n')).toMatch(
      /^ls, case sizes: .*allowed outside of the policy: x86_64 l?getxattr by \/usr\/bin\/ls in phase 0, from /mu,
    );
    const enforced = await runWorkload(LS, enforcingRunner(CALLGATE, at('ls.yaml')), options);
    expect(workloadFailures(enforced).join('\n')).toMatch(/killed outside of the policy: x86_64 /u);
    expect(workloadFailures(enforced).join('\n')).toMatch(/step ".*" ended with 159 \(0\)/u);
  });

  it('runs under strace as well, one file for each start', { timeout: LIMIT }, async () => {
    using directory = temporaryDirectory();
    const result = await runWorkload(LS, straceRunner(), { output: directory.path, cases: ['plain'] });
    expect(workloadFailures(result)).toEqual([]);
    const files = workloadFiles(result);
    expect(files).toHaveLength(2);
    for (const file of files) expect(readFileSync(file, 'utf8')).toContain('execve("/usr/bin/ls"');
  });

  it('shares a server between cases, or has one for each', { timeout: LIMIT }, async () => {
    const redis = loadWorkload(join(import.meta.dirname, '../../workloads/redis-server.yaml'));
    const cases = ['strings', 'transactions'];
    using directory = temporaryDirectory();
    const each = await runWorkload(redis, traceRunner(CALLGATE), { output: directory.path, cases });
    expect(workloadFailures(each)).toEqual([]);
    expect(each.cases.map(({ files }) => files.length)).toEqual([1, 1]);
    using other = temporaryDirectory();
    const shared = await runWorkload(redis, traceRunner(CALLGATE), {
      output: other.path,
      cases,
      servers: 'shared',
    });
    expect(workloadFailures(shared)).toEqual([]);
    expect(shared.cases.map(({ files }) => files.length)).toEqual([0, 0]);
    expect(shared.files).toHaveLength(1);
    const profile = parseProfile(readFileSync(shared.files[0] as string, 'utf8'));
    expect(profile.phases.map(({ name }) => name)).toEqual(['setup', 'main']);
  });

  it('of one program runs beside another of the same', { timeout: LIMIT }, async () => {
    const redis = loadWorkload(join(import.meta.dirname, '../../workloads/redis-server.yaml'));
    using directory = temporaryDirectory();
    const results = await Promise.all(
      ['a', 'b'].map((name) =>
        runWorkload(redis, plainRunner(), { output: join(directory.path, name), cases: ['strings', 'tls'] }),
      ),
    );
    expect(results.flatMap(workloadFailures)).toEqual([]);
  });

  it('reports what went wrong as data that names case and step', { timeout: LIMIT }, async () => {
    const result = await plainly(`
setup: printf 'content' >file
cases:
  - { name: code, steps: [ "\${program} file", "\${program} none" ] }
  - { name: expected, steps: [ { run: "\${program} none", exit: 1, output: "none: No such" } ] }
  - { name: output, steps: [ { run: "\${program} file", output: "^other" } ] }
  - { name: prepared, setup: "exit 4", steps: [ "\${program} file" ] }
  - { name: signal, steps: [ { run: "\${program} file; kill -9 $$" } ] }
  - { name: unfit, unfit: [strace], steps: [ "\${program} file" ] }
`);
    const failures = workloadFailures(result);
    expect(failures).toHaveLength(4);
    expect(failures[0]).toMatch(
      /^test-workload, case code: step "\$\{program\} none" ended with 1 \(0\): .*No such/u,
    );
    expect(failures[1]).toBe(
      'test-workload, case output: step "${program} file" did not print "^other": content',
    );
    expect(failures[2]).toBe('test-workload, case prepared: set-up ended with 4: ');
    expect(failures[3]).toMatch(/^test-workload, case signal: step .* ended with 137 \(0\): content$/u);
    expect(scratchDirectories()).toEqual([]);
  });

  it('ends what a case leaves behind, and says so', { timeout: LIMIT }, async () => {
    const result = await plainly(`
cases:
  - { name: left, steps: [ "mkfifo fifo; \${program} \${scratch}/fifo >/dev/null 2>&1 & sleep 0" ] }
  - { name: next, steps: [ "\${program} /dev/null" ] }
`);
    expect(workloadFailures(result)).toHaveLength(1);
    expect(workloadFailures(result)[0]).toMatch(
      /^test-workload, case left: process [0-9]+ was left behind: \S*cat .*\/fifo$/u,
    );
    expect(scratchDirectories()).toEqual([]);
  });

  it('says how a server failed that does not get ready', { timeout: LIMIT }, async () => {
    const result = await plainly(`
ports: [port]
servers: { main: { command: "\${program} none", ready: "listen:\${port}", stop: "true" } }
cases: [ { name: served, server: main, steps: [ "true" ] } ]
`);
    expect(workloadFailures(result)[0]).toMatch(
      /^test-workload, case served: server main is not ready, listen:[0-9]+: .*none: No such file/u,
    );
  });

  it('refuses what it cannot begin', { timeout: LIMIT }, async () => {
    const body = 'cases: [ { name: one, steps: [ "${program} /dev/null" ] } ]';
    using directory = temporaryDirectory();
    const output = directory.path;
    await expect(runWorkload(workload(body), plainRunner(), { output, cases: ['two'] })).rejects.toThrow(
      'workload test: no case, "two" (one)',
    );
    await expect(
      runWorkload({ ...workload(body), program: '/proc/nowhere/cat' }, plainRunner(), { output }),
    ).rejects.toThrow('workload test: no program, /proc/nowhere/cat (Debian packages coreutils)');
    await expect(plainly(`setup: "echo why; exit 7"\n${body}`)).rejects.toThrow(
      'workload test-workload: set-up ended with 7: why',
    );
    expect(scratchDirectories()).toEqual([]);
    expect(existsSync(output)).toBe(true);
  });
});
