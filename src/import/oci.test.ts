import { describe, expect, it, test } from 'vitest';
import { describeCalls, readPolicy } from './testing/read-text.ts';

const setOf = (profile: object, arch: 'x86_64' | 'aarch64' = 'x86_64'): ReturnType<typeof readPolicy> =>
  readPolicy('oci', JSON.stringify(profile), { arch });

const namesOf = (profile: object): readonly string[] => describeCalls(setOf(profile).policy.phases[0]!.calls);

/** In the manner of Docker's default profile. */
const DOCKER = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    { names: ['read', 'openat', 'no_such_call'], action: 'SCMP_ACT_ALLOW' },
    { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
    { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }] },
    { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }] },
    { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64', 'x32'] } },
    { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
    {
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38, excludes: { caps: ['CAP_SYS_ADMIN'] } },
    { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 40, op: 'SCMP_CMP_NE' }] },
  ],
};

test("Docker's profile becomes a policy for the machine's arches", () => {
  const { policy, remarks } = setOf(DOCKER);
  expect(policy.arches.map(({ arch }) => arch)).toEqual(['x86_64', 'i386', 'x32']);
  expect(policy.onViolation).toBe('errno:EPERM');
  const own = policy.phases[0]!.calls.filter(({ arch }) => arch === 'x86_64');
  expect(describeCalls(own)).toEqual([
    'arch_prctl',
    'clone 0/32=0x0~0x81fdffff',
    'openat',
    'personality 0/32=0x0|0x8',
    'ptrace',
    'read',
    'socket',
  ]);
  expect(policy.enosys.map(({ arch, name }) => `${arch}:${name}`)).toEqual([
    'x86_64:clone3',
    'i386:clone3',
    'x32:clone3',
  ]);
  expect(remarks).toEqual([
    'names that callgate does not know are left out: "no_such_call"',
    'entries for newer kernels are taken: ptrace',
    'entries for containers with more capabilities are left out: mount',
    'argument rules cannot be carried over as they are, the policy is looser: socket',
  ]);
});

test('another machine takes its own part', () => {
  const { policy, remarks } = setOf(DOCKER, 'aarch64');
  expect(policy.arches.map(({ arch }) => arch)).toEqual(['aarch64']);
  expect(policy.phases[0]!.calls.map(({ name }) => name)).not.toContain('arch_prctl');
  expect(remarks).toContain('arches that callgate does not know are left out: SCMP_ARCH_ARM');
});

test('a deny list allows everything else, as old profiles with one name to an entry do', () => {
  const { policy, remarks } = setOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [{ name: 'mkdir', action: 'SCMP_ACT_ERRNO', args: [] }],
  });
  const names = policy.phases[0]!.calls.map(({ name }) => name);
  expect(names).not.toContain('mkdir');
  expect(names).toContain('rmdir');
  expect(policy.onViolation).toBe('errno:EPERM');
  expect(remarks).toEqual([
    'the profile lists what it denies: every call that has a name is allowed but for these',
  ]);
});

test.each([
  [{ syscalls: 'x' }, 'file: syscalls is no list, "\\"x\\""'],
  [{ syscalls: { names: ['read'] } }, 'file: syscalls is no list'],
  [{ syscalls: [{ names: 'read', action: 'SCMP_ACT_ALLOW' }] }, 'file: names is no list'],
  [{ syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: {} }] }, 'file: args is no list'],
  [
    { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { caps: 'x' } }] },
    'file: caps is no list',
  ],
  [{ architectures: 'SCMP_ARCH_X86' }, 'file: architectures is no list'],
])('%j is refused, not read as empty', (fields, want) => {
  expect(() => setOf({ defaultAction: 'SCMP_ACT_ERRNO', ...fields })).toThrow(want);
});

test('lists may be null, as Go writes those that are not there', () => {
  const syscalls = [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: null }];
  expect(namesOf({ defaultAction: 'SCMP_ACT_ERRNO', architectures: null, syscalls })).toEqual(['read']);
});

test.each([
  [0, 'errno:EPERM', '"0"'],
  [524, 'errno:EPERM', '"524"'],
  [4096, 'errno:EPERM', '"4096"'],
  [70000, 'errno:EPERM', '"70000"'],
  ['x', 'errno:EPERM', '"x"'],
  [4095, 'errno:4095', null],
  [null, 'errno:EPERM', null],
])('denied calls with the error %j end as %s', (errno, want, remark) => {
  const remarksOf =
    remark === null ? [] : [`error numbers that a policy cannot have become EPERM: ${remark}`];
  const listing = setOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: errno,
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
  });
  expect([listing.policy.onViolation, listing.remarks]).toEqual([want, remarksOf]);
  const denying = setOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: errno }],
  });
  expect(denying.policy.onViolation).toBe(want);
  expect(denying.remarks.filter((each) => !each.startsWith('the profile'))).toEqual(remarksOf);
});

test.each(['SCMP_ACT_NOTIFY', 'SCMP_ACT_TRACE'])('calls with %s fail, and that is said', (action) => {
  const { policy, remarks } = setOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { names: ['chmod', 'chown'], action },
    ],
  });
  expect(policy.enosys.map(({ name }) => name)).toEqual(['chmod', 'chown']);
  const remark = 'calls about which a listener or tracer is asked, who may allow them, fail with ENOSYS';
  expect(remarks).toEqual([`${remark}: chmod, chown`]);
  expect(setOf({ defaultAction: action, syscalls: [] }).remarks).toEqual([remark]);
});

test('a remark has all names that it is about', () => {
  const names = Array.from({ length: 90 }, (_, k) => `no_such_call_${k}`);
  const { remarks } = setOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  });
  expect(remarks).toEqual([
    `names that callgate does not know are left out: ${names.map((name) => `"${name}"`).join(', ')}`,
  ]);
});

describe('arguments', () => {
  const allow = (name: string, ...args: object[]): object => ({
    names: [name],
    action: 'SCMP_ACT_ALLOW',
    args,
  });
  const arg = (index: number, op: string, value: number | bigint, valueTwo?: number): object => ({
    index,
    op: `SCMP_CMP_${op}`,
    value: Number(value),
    valueTwo,
  });
  it.each([
    { name: 'equal', rules: [allow('ioctl', arg(1, 'EQ', 0x5401))], want: ['ioctl 1/32=0x5401'] },
    {
      name: 'alternatives of one argument',
      rules: [allow('ioctl', arg(1, 'EQ', 2)), allow('ioctl', arg(1, 'EQ', 1))],
      want: ['ioctl 1/32=0x1|0x2'],
    },
    {
      name: 'two on the same argument are alternatives, as runc has it',
      rules: [allow('ioctl', arg(1, 'EQ', 1), arg(1, 'EQ', 2))],
      want: ['ioctl 1/32=0x1|0x2'],
    },
    {
      name: 'below a power of two',
      rules: [allow('read', arg(2, 'LT', 4096))],
      want: ['read 2/64=0x0~0xfff'],
    },
    { name: 'at most', rules: [allow('read', arg(2, 'LE', 2))], want: ['read 2/64=0x0|0x1|0x2'] },
    {
      name: 'an entry without arguments opens all',
      rules: [allow('read', arg(2, 'LE', 2)), allow('read')],
      want: ['read'],
    },
    {
      name: 'a mask of the low half is one of an int',
      rules: [allow('socket', arg(0, 'MASKED_EQ', 0xffffffff, 1))],
      want: ['socket 0/32=0x1'],
    },
  ])('$name', ({ rules, want }) => {
    expect(
      namesOf({ defaultAction: 'SCMP_ACT_KILL', architectures: ['SCMP_ARCH_X86_64'], syscalls: rules }),
    ).toEqual(want);
  });

  it('says when alternatives become looser', () => {
    const rules = [
      allow('socket', arg(0, 'EQ', 1), arg(1, 'EQ', 1)),
      allow('socket', arg(0, 'EQ', 2), arg(1, 'EQ', 2)),
    ];
    const { policy, remarks } = setOf({ defaultAction: 'SCMP_ACT_KILL', syscalls: rules });
    expect(describeCalls(policy.phases[0]!.calls)).toEqual(['socket 0/32=0x1|0x2 1/32=0x1|0x2']);
    expect(remarks).toEqual([
      'argument rules cannot be carried over as they are, the policy is looser: socket',
    ]);
  });

  it('compares low halves for i386 and x32, as libseccomp does', () => {
    const text = `{"defaultAction":"SCMP_ACT_KILL","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],
      "syscalls":[{"names":["lseek"],"action":"SCMP_ACT_ALLOW",
        "args":[{"index":1,"op":"SCMP_CMP_EQ","value":18446744073709551615}]}]}`;
    const { policy, remarks } = readPolicy('oci', text);
    expect(describeCalls(policy.phases[0]!.calls)).toEqual([
      'lseek 1/64=0xffffffffffffffff',
      'i386:lseek 1/32=0xffffffff',
      'x32:lseek 1/32=0xffffffff',
    ]);
    expect(remarks).toEqual([]);
  });

  it('reads integers beyond 2^53 exactly', () => {
    const text = `{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW",
      "args":[{"index":2,"op":"SCMP_CMP_EQ","value":18446744073709551615}]}]}`;
    expect(describeCalls(readPolicy('oci', text).policy.phases[0]!.calls)).toEqual([
      'read 2/64=0xffffffffffffffff',
    ]);
  });
});

describe('what is wrong is refused', () => {
  it.each([
    ['{', 'file: not JSON, '],
    ['[]', 'file: not an object'],
    ['{}', 'file: unknown action, "undefined" (SCMP_ACT_*)'],
    ['{"defaultAction":"SCMP_ACT_FOO"}', 'file: unknown action, "SCMP_ACT_FOO" (SCMP_ACT_*)'],
    ['{"defaultAction":"SCMP_ACT_KILL","syscalls":[1]}', 'file: syscalls 0: not an object'],
    [
      '{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}',
      'file: argument out of range, "6" (0 to 5)',
    ],
    [
      '{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ","value":-1}]}]}',
      'file: value is not an unsigned 64-bit integer, "-1"',
    ],
    [
      '{"defaultAction":"SCMP_ACT_KILL","architectures":["SCMP_ARCH_S390X"]}',
      'file: no arch that callgate knows',
    ],
  ])('%s', (text, message) => {
    expect(() => readPolicy('oci', text)).toThrow(message);
  });
});
