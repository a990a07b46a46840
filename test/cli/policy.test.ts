import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampleProfile, type SampleProcess } from '../../src/profile/testing/sample-profile.ts';
import { recut } from '../../src/profile/recut.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { CALLGATE, callgate, run, temporaryDirectory } from '../support/callgate.ts';

const SERVER: readonly SampleProcess[] = [
  {
    pid: 1,
    program: '/usr/bin/server',
    end: 100,
    calls: { execve: [0, 0], listen: [5, 5], epoll_wait: [10, 90], clone: [50, 50] },
  },
  {
    pid: 2,
    birth: 'fork',
    parent: 0,
    program: '/usr/bin/server',
    start: 50,
    end: 60,
    calls: { rename: [55, 55] },
  },
];

/** The text of a profile with set-up and main. */
function profileText(): string {
  const times = new Map([[0, 10e6]]);
  return formatProfile(
    recut(sampleProfile(SERVER), { trigger: 'syscall:epoll_wait', source: 'given', reason: null, times }),
  );
}

describe('callgate policy', () => {
  it('writes YAML to stdout and says what it made on stderr', () => {
    const { status, stdout, stderr } = callgate(['policy', '-'], { input: profileText() });
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^callgate: setup: 18 calls allowed, 35\d of 37\d blocked on x86_64 \(9\d %\)$/),
      expect.stringMatching(/^callgate: main: 13 calls allowed, 36\d of 37\d blocked on x86_64 \(9\d %\)$/),
      'callgate: group always: 4 calls more, calls that the kernel puts into the program, and its end',
      expect.stringMatching(/^callgate: group vdso: 6 calls more, /),
      expect.stringMatching(/^callgate: group switch: 3 calls more, /),
      'callgate: policy: stdout',
      '',
    ]);
    expect(stdout).toContain(
      '\n      - rename                   # observed in 1 of 1 run; needed by children born in main: server\n',
    );
    expect(status).toBe(0);
  });

  it('says what its profiles lack', () => {
    const profile = JSON.parse(profileText()) as { runs: object[]; processes: { birth: string }[] };
    profile.runs = profile.runs.map((one) => ({
      ...one,
      attached: [1],
      complete: false,
      incomplete: ['attached late'],
    }));
    profile.processes = profile.processes.map((one) =>
      one.birth === 'start' ? { ...one, birth: 'attach' } : one,
    );
    const { status, stdout, stderr } = callgate(['policy', '-'], { input: JSON.stringify(profile) });
    expect(stderr).toContain('callgate: note: not complete: attached late\n');
    expect(stderr).toMatch(/^callgate: note: start-up of \S+ was not seen: .*$/m);
    expect(stdout).toContain('    complete: false\n');
    expect(status).toBe(0);
  });

  it('does its work if nobody reads what it says, as before head(1)', () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'p.json'), profileText());
    const script = `cd ${directory.path}; ( sleep 0.2; '${CALLGATE}' policy p.json >p.yaml; echo $? >code ) 2>&1 | true; until [ -s code ]; do sleep 0.1; done`;
    run('/bin/sh', ['-c', script]);
    expect(readFileSync(join(directory.path, 'code'), 'utf8')).toBe('0\n');
    expect(readFileSync(join(directory.path, 'p.yaml'), 'utf8')).toContain('format: callgate-policy');
  });

  it('makes one set for the whole life with --one-phase', () => {
    const { stdout } = callgate(['policy', '--one-phase', '-f', 'json', '-'], { input: profileText() });
    const { phases } = JSON.parse(stdout) as { phases: { name: string; calls: { name: string }[] }[] };
    expect(phases.map(({ name }) => name)).toEqual(['setup']);
    expect(phases[0]?.calls.map(({ name }) => name)).toEqual(expect.arrayContaining(['listen', 'rename']));
  });

  it('writes JSON to a file *.json, and the same policy either way', () => {
    using directory = temporaryDirectory();
    const [profile, json, yaml] = ['p.json', 'out.json', 'out.yaml'].map((name) =>
      join(directory.path, name),
    ) as [string, string, string];
    writeFileSync(profile, profileText());
    expect(callgate(['policy', profile, '-o', json]).status).toBe(0);
    expect(callgate(['policy', profile, '-o', yaml]).status).toBe(0);
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ format: 'callgate-policy', version: 1 });
    const { status, stdout } = callgate(['check', json, '--diff', yaml]);
    expect(stdout).toBe('no difference\n');
    expect(status).toBe(0);
  });

  it('takes its options', () => {
    const options = [
      '--portable',
      '5.10..6.12',
      '--no-vdso',
      '--runtime',
      'runc',
      '--on-violation',
      'kill',
      '--args',
      '--respawn',
      '--no-per-program',
    ];
    const { status, stdout } = callgate(['policy', '-', ...options], { input: profileText() });
    expect(status).toBe(0);
    expect(stdout).toContain('\nkernels: 5.10..6.12\nonViolation: kill\n');
    for (const group of ['always', 'switch', 'portable', 'runtime:runc'])
      expect(stdout).toContain(`  - { name: ${group}, `);
    expect(stdout).not.toContain('name: vdso');
    expect(stdout).toContain('epoll_pwait2');
  });

  it('takes container runtimes before the profiles', () => {
    const { status, stdout } = callgate(['policy', '--runtime', 'runc,crun', '-'], { input: profileText() });
    expect(status).toBe(0);
    for (const group of ['runtime:runc', 'runtime:crun']) expect(stdout).toContain(`name: ${group}, `);
  });

  it('refuses a container runtime that it does not know', () => {
    const { status, stderr } = callgate(['policy', '-', '--runtime', 'runc,rune'], { input: profileText() });
    expect(status).toBe(2);
    expect(stderr).toContain('Allowed choices are runc, crun.');
  });

  it.each([
    {
      name: 'a range that is none',
      args: ['--portable', 'new'],
      want: 'callgate: policy: not a range of kernels, "new" (FROM..TO, such as 5.10..6.12)\n',
    },
    {
      name: 'an action that is none',
      args: ['--on-violation', 'explode'],
      want: 'callgate: policy: unknown action on violation, "explode" (kill, trap, log, errno:NAME)\n',
    },
    {
      name: 'what is possible, if nothing says that',
      args: ['--strict', 'sound'],
      want: 'callgate: policy: strictness sound needs to know what is possible, but no profile is from static analysis (give one beside the traces, or take observed)\n',
    },
  ])('refuses $name', ({ args, want }) => {
    const { status, stdout, stderr } = callgate(['policy', '-', ...args], { input: profileText() });
    expect([status, stdout, stderr]).toEqual([2, '', want]);
  });
});
