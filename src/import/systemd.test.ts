import { describe, expect, it, test } from 'vitest';
import { systemdGroup } from '../export/systemd-groups.ts';
import { describeCalls, readPolicy } from './testing/read-text.ts';

/** Names that the service allows on x86-64 beside @default, which is always allowed. */
function namesOf(lines: string): readonly string[] {
  const { policy } = readPolicy('systemd', `[Service]\n${lines}\n`);
  const always = new Set(systemdGroup('@default'));
  return describeCalls(policy.phases[0]!.calls).filter((name) => !always.has(name));
}

describe('lists', () => {
  it.each([
    ['SystemCallFilter=read write', ['read', 'write']],
    ['SystemCallFilter=read\nSystemCallFilter=write', ['read', 'write']],
    ['SystemCallFilter=read write\nSystemCallFilter=~write', ['read']],
    ['SystemCallFilter=read\nSystemCallFilter=\nSystemCallFilter=write', ['write']],
    ['SystemCallFilter=read \\\n  # not this\n  write', ['read', 'write']],
    ['SystemCallFilter=@sync\nSystemCallFilter=~@sync\nSystemCallFilter=sync', ['sync']],
    ['SystemCallFilter=@swap', ['swapoff', 'swapon']],
  ])('%j', (lines, want) => {
    expect(namesOf(lines)).toEqual(want);
  });

  it('a list that denies allows everything else', () => {
    const { policy, remarks } = readPolicy(
      'systemd',
      '[Service]\nSystemCallFilter=~@mount\nSystemCallErrorNumber=EPERM\n',
    );
    const names = policy.phases[0]!.calls.map(({ name }) => name);
    expect(names).toContain('read');
    expect(names).not.toContain('mount');
    expect(policy.onViolation).toBe('errno:EPERM');
    expect(remarks).toEqual([
      'groups are those of systemd 252: @mount',
      'the unit lets all arches through, the policy only that of the machine: x86_64',
      'the unit lists what it denies: every call that has a name is allowed but for these',
    ]);
  });
});

test('without an error number denied calls kill', () => {
  expect(readPolicy('systemd', 'SystemCallFilter=read').policy.onViolation).toBe('kill');
});

test('calls that fail with ENOSYS do so in the policy', () => {
  const { policy } = readPolicy(
    'systemd',
    'SystemCallFilter=read\nSystemCallFilter=~clone3:ENOSYS\nSystemCallErrorNumber=13\n',
  );
  expect(policy.enosys.map(({ name }) => name)).toEqual(['clone3']);
  expect(policy.onViolation).toBe('errno:EACCES');
});

test('arches are those of the unit, and the machine’s own', () => {
  const { policy, remarks } = readPolicy(
    'systemd',
    'SystemCallFilter=read\nSystemCallArchitectures=x86 s390x',
  );
  expect(policy.arches.map(({ arch }) => arch)).toEqual(['x86_64', 'i386']);
  expect(remarks).toContain('arches that callgate does not know are left out: "s390x"');
});

it.each([
  ['SystemCallErrorNumber=EPERM\nSystemCallErrorNumber=', 'kill'],
  ['SystemCallErrorNumber=EPERM\nSystemCallErrorNumber=kill', 'kill'],
  ['SystemCallErrorNumber=EPERM\nSystemCallErrorNumber=EACCES', 'errno:EACCES'],
  ['SystemCallErrorNumber=EPERM\nSystemCallErrorNumber=ENOTHING', 'errno:EPERM'],
  ['SystemCallErrorNumber=ENOTHING', 'kill'],
  ['SystemCallErrorNumber=0', 'kill'],
  ['SystemCallErrorNumber=4000', 'errno:4000'],
])('%j ends denied calls as %s', (lines, want) => {
  expect(readPolicy('systemd', `[Service]\nSystemCallFilter=read\n${lines}\n`).policy.onViolation).toBe(want);
});

test('what an empty assignment takes back leaves nothing behind', () => {
  const { policy, remarks } = readPolicy(
    'systemd',
    `[Service]
SystemCallFilter=~@mount nothing_of_the_kind
SystemCallArchitectures=x86 s390x
SystemCallErrorNumber=ENOTHING
SystemCallLog=@raw-io
SystemCallFilter=
SystemCallArchitectures=
SystemCallErrorNumber=
SystemCallLog=
SystemCallFilter=read
`,
  );
  expect(policy.phases[0]!.calls.map(({ name }) => name)).not.toContain('mount');
  expect(remarks).toEqual(['the unit lets all arches through, the policy only that of the machine: x86_64']);
});

test('what cannot be carried over is said', () => {
  const { remarks } = readPolicy(
    'systemd',
    `[Service]
SystemCallArchitectures=native
SystemCallFilter=@no-such-group nothing_of_the_kind read:EPERM
SystemCallFilter=~write:EACCES
RestrictNamespaces=yes
MemoryDenyWriteExecute=no
SystemCallLog=@raw-io
`,
  );
  expect(remarks).toEqual([
    'groups that systemd 252 does not have are left out: "@no-such-group"',
    'systemd ignores allowed calls with an error number: "read:EPERM"',
    'errors of single calls are left out, they end like all others: write:EACCES',
    'names that callgate does not know are left out: "nothing_of_the_kind"',
    'settings that restrict further are left out: RestrictNamespaces=yes',
    'SystemCallLog= is left out',
  ]);
});

test('only what stands where systemd looks counts', () => {
  const { policy, remarks } = readPolicy(
    'systemd',
    `[Unit]
RestrictNamespaces=yes
[Service]
SystemCallArchitectures=native
SystemCallFilter=read
[Install]
SystemCallFilter=mount
SystemCallErrorNumber=EPERM
`,
  );
  expect(policy.phases[0]!.calls.map(({ name }) => name)).not.toContain('mount');
  expect(policy.onViolation).toBe('kill');
  expect(remarks).toEqual([
    'settings in sections where systemd does not look for them are left out: "[Install] SystemCallFilter=", "[Install] SystemCallErrorNumber="',
  ]);
  expect(() => readPolicy('systemd', '[Install]\nSystemCallFilter=read\n')).toThrow(
    'file: no SystemCallFilter= with anything in it ([Service], [Socket], [Mount] or [Swap])',
  );
  for (const section of ['Socket', 'Mount', 'Swap'])
    expect(readPolicy('systemd', `[${section}]\nSystemCallFilter=read\n`).policy.onViolation).toBe('kill');
});

test('a unit without a filter is refused', () => {
  expect(() => readPolicy('systemd', '[Service]\nExecStart=/bin/true\n')).toThrow(
    'file: no SystemCallFilter= with anything in it',
  );
  expect(() => readPolicy('systemd', '[Service]\nSystemCallFilter=read\nSystemCallFilter=\n')).toThrow(
    'file: no SystemCallFilter=',
  );
});
