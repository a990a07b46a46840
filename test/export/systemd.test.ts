import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { syscallNumber } from '../../src/abi/syscalls.ts';
import { selectSet } from '../../src/export/selection.ts';
import { systemdGroup, systemdGroupNames } from '../../src/export/systemd-groups.ts';
import { SYSTEMD } from '../../src/export/systemd.ts';
import { readPolicy } from '../../src/import/testing/read-text.ts';
import type { PolicyCall } from '../../src/policy/model.ts';
import { probePolicy, runConsumer, scratch } from './probe.ts';
import { requireTool } from './tools.ts';

/** What systemd-analyze says of a service with the drop-in; nothing if all is well. */
function verify(dropIn: string): { readonly status: number | null; readonly stderr: string } {
  const directory = scratch();
  const unit = join(directory, 'callgate-probe.service');
  mkdirSync(`${unit}.d`);
  writeFileSync(unit, '[Unit]\nDescription=probe\n[Service]\nExecStart=/bin/true\n');
  writeFileSync(join(`${unit}.d`, 'callgate.conf'), dropIn);
  const { status, stderr } = runConsumer('systemd-analyze', ['verify', '--man=no', unit], 'systemd');
  return { status, stderr };
}

test('systemd reads the drop-in without a complaint', () => {
  // All names that there are in the release of the table, so that none is unknown.
  const policy = probePolicy({ arches: [{ arch: 'x86_64', newest: 471 }] });
  expect(verify(SYSTEMD.write(selectSet(policy)).content as string)).toEqual({ status: 0, stderr: '' });
});

test('systemd does read the lines: a wrong one is complained about', () => {
  const text = (SYSTEMD.write(selectSet(probePolicy())).content as string).replace('getppid', 'getpppid');
  expect(verify(text).stderr).toContain('getpppid');
});

test('names that the export warns of are those that systemd ignores', () => {
  const { content, losses } = SYSTEMD.write(selectSet(probePolicy()));
  const { stderr } = verify(content as string);
  const ignored = [...stderr.matchAll(/Failed to parse system call, ignoring: ([a-z0-9_]+)/g)].map(
    ([, name]) => name,
  );
  expect(
    stderr
      .trim()
      .split('\n')
      .filter((line) => line !== ''),
  ).toHaveLength(ignored.length);
  const warned = losses.find(({ text }) => text.includes('ignore names'))?.text ?? '';
  for (const name of ignored.slice(0, 10)) expect(warned).toContain(name);
  expect(ignored.length > 0).toBe(warned !== '');
});

test('each group means the calls that systemd-analyze lists for it', () => {
  for (const name of systemdGroupNames()) {
    const listing = requireTool('systemd-analyze', ['syscall-filter', '--no-pager', name], 'systemd');
    const members = listing
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
    const calls = new Set(
      members.flatMap((member) => (member.startsWith('@') ? systemdGroup(member) : [member])),
    );
    expect([...calls].sort(), name).toEqual(systemdGroup(name));
  }
}, 120_000);

test('every arch has the name that systemd gives it', () => {
  const policy = probePolicy({
    arches: [
      { arch: 'x86_64', newest: 471 },
      { arch: 'i386', newest: 471 },
      { arch: 'x32', newest: 471 },
      { arch: 'aarch64', newest: 471 },
    ],
  });
  expect(verify(SYSTEMD.write(selectSet(policy)).content as string).stderr).toBe('');
});

test('a rehearsal logs and blocks nothing', () => {
  const text = SYSTEMD.write(selectSet(probePolicy({ onViolation: 'log' }))).content as string;
  expect(text).toContain('SystemCallLog=~');
  expect(text).not.toMatch(/SystemCallFilter=./);
  expect(verify(text)).toEqual({ status: 0, stderr: '' });
});

test.each([
  ['nothing', []],
  ['a number only', [{ arch: 'x86_64', nr: 600, name: null, args: [], why: [] } as const]],
])('a policy that allows %s is a list that allows, and not one that denies', (_, calls) => {
  const policy = probePolicy();
  const [setup] = policy.phases;
  const dropIn = SYSTEMD.write(selectSet({ ...policy, phases: [{ ...setup!, calls }] })).content as string;
  const rows = assess('[Service]\nExecStart=/bin/true\n', dropIn, 'description');
  const described = [...rows.values()].join('\n');
  expect(described).toContain('allow list defined');
  expect(described).not.toContain('deny list defined');
  const always = systemdGroup('@default').filter((name) => syscallNumber('x86_64', name) !== null);
  const { calls: imported } = readPolicy('systemd', dropIn).policy.phases[0]!;
  expect(new Set(imported.map(({ name }) => name))).toEqual(new Set(always));
});

test('a rehearsal of a policy that allows nothing logs', () => {
  const policy = probePolicy({ onViolation: 'log' });
  const [setup] = policy.phases;
  const text = SYSTEMD.write(selectSet({ ...policy, phases: [{ ...setup!, calls: [] }] })).content as string;
  expect(text).toMatch(/SystemCallLog=~./);
  expect(verify(text)).toEqual({ status: 0, stderr: '' });
});

/** A service that restricts itself, such as Debian's redis-server.service. */
const RESTRICTED = `[Service]
ExecStart=/bin/true
SystemCallArchitectures=native x86
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EACCES
SystemCallLog=@raw-io
`;

/** What systemd-analyze finds in a service with the drop-in, by setting: whether it is set, or what is said of it. */
function assess(
  unitText: string,
  dropIn: string,
  field: 'set' | 'description' = 'set',
): ReadonlyMap<string, unknown> {
  const directory = scratch();
  const unit = join(directory, 'callgate-probe.service');
  mkdirSync(`${unit}.d`);
  writeFileSync(unit, unitText);
  writeFileSync(join(`${unit}.d`, 'callgate.conf'), dropIn);
  const { stdout } = runConsumer(
    'systemd-analyze',
    ['security', '--offline=true', '--threshold=100', '--json=short', unit],
    'systemd',
  );
  const rows = JSON.parse(stdout) as Readonly<Record<'name' | 'set' | 'description', unknown>>[];
  return new Map(
    rows.filter(({ name }) => `${name}`.startsWith('SystemCall')).map((row) => [`${row.name}`, row[field]]),
  );
}

describe('a service that has a filter of its own', () => {
  it.each(['errno:EPERM', 'kill'])('gets the one of the policy with %s', (onViolation) => {
    const policy = probePolicy({ onViolation, enosys: [] });
    const dropIn = SYSTEMD.write(selectSet(policy)).content as string;
    const both = readPolicy('systemd', `${RESTRICTED}\n${dropIn}`).policy;
    expect(both).toEqual(readPolicy('systemd', dropIn).policy);
    expect(both.arches.map(({ arch }) => arch)).toEqual(['x86_64']);
    expect(both.onViolation).toBe(onViolation);
    const names = (calls: readonly PolicyCall[]) => new Set(calls.map(({ name }) => name));
    const always = systemdGroup('@default').filter((name) => syscallNumber('x86_64', name) !== null);
    const allowed = new Set([...names(policy.phases[0]!.calls), ...always]);
    expect(names(both.phases[0]!.calls)).toEqual(allowed);
  });

  it.each(['@system-service @mount', '~@mount'])('is judged by systemd as one that has none: %s', (list) => {
    const own = RESTRICTED.replace('@system-service', list);
    const dropIn = SYSTEMD.write(selectSet(probePolicy())).content as string;
    const alone = assess('[Service]\nExecStart=/bin/true\n', dropIn);
    expect(alone.size).toBeGreaterThan(5);
    expect(assess(own, dropIn)).toEqual(alone);
    // systemd-analyze does tell the services apart.
    expect(assess(own, '')).not.toEqual(alone);
  });

  it('is not restricted in a rehearsal', () => {
    const dropIn = SYSTEMD.write(selectSet(probePolicy({ onViolation: 'log' }))).content as string;
    expect(assess(RESTRICTED, dropIn)).toEqual(assess('[Service]\nExecStart=/bin/true\n', ''));
    expect(() => readPolicy('systemd', `${RESTRICTED}\n${dropIn}`)).toThrow(
      'no SystemCallFilter= with anything in it',
    );
  });
});
