import { parse } from 'yaml';
import { describe, expect, it, test } from 'vitest';
import { syscallNumber } from '../abi/syscalls.ts';
import { EXPORTERS, findExporter } from './exporters.ts';
import { selectSet } from './selection.ts';
import { systemdGroup } from './systemd-groups.ts';
import { samplePolicy } from './testing/sample-policy.ts';

/** A bit of everything: two phases, a program, rules with values, masks and 64 bits, ENOSYS, a newer kernel. */
const policy = samplePolicy({
  enosys: ['clone3', 'openat2'],
  phases: {
    setup: [
      'close',
      'execve',
      'exit_group',
      'openat',
      'read',
      'statx',
      'write',
      { name: 'ioctl', args: [{ index: 1, name: 'request', values: [0x5401n, 0x5413n] }] },
      {
        name: 'socket',
        args: [
          { index: 0, name: 'domain', values: [1n, 2n] },
          { index: 1, name: 'type', values: [1n], free: 0x80800n },
        ],
      },
      { name: 'prctl', args: [{ index: 1, width: 64, values: [0x8000_0000_0000_0001n] }] },
      { name: 'madvise', args: [{ index: 2, values: [0n], free: 0xfn }] },
    ],
    main: ['read', 'write'],
  },
  programs: { '/usr/bin/helper': ['exit_group', 'write'] },
});

describe('golden files', () => {
  it.each(EXPORTERS.filter(({ name }) => name !== 'cbpf'))('$name is as reviewed', async (exporter) => {
    const { content, losses, usage } = exporter.write(selectSet(policy));
    const notes = losses.map(({ kind, text }) => `${kind}: ${text}\n`).join('');
    await expect(content).toMatchFileSnapshot(
      `testing/golden/${exporter.fileName.replace('seccomp.json', `${exporter.name}.json`)}`,
    );
    await expect(`${notes}${usage}`).toMatchFileSnapshot(`testing/golden/${exporter.name}.notes.txt`);
  });
});

test('what runc needs is missing if it is denied, and in doubt if only some arguments are allowed', () => {
  const advice = (prot: bigint): string =>
    findExporter('oci').write(
      selectSet(
        samplePolicy({
          phases: {
            setup: [
              'arch_prctl',
              'close',
              'execve',
              'fstatfs',
              'openat',
              'write',
              { name: 'mprotect', args: [{ index: 2, name: 'prot', width: 64, values: [1n], free: prot }] },
            ],
          },
        }),
      ),
    ).usage;
  const missing =
    '# runc 1.1 does not start a container without getdents64; the group runtime:runc has them\n';
  expect(advice(0n)).toBe(
    `${missing}# runc 1.1 may need other arguments of mprotect to start a container; the group runtime:runc allows any\n`,
  );
  expect(advice(0xffff_ffff_ffff_ffffn)).toBe(missing);
});

test('raw cBPF is a whole number of instructions', () => {
  const { content, losses } = findExporter('cbpf').write(selectSet(policy));
  expect(content).toBeInstanceOf(Uint8Array);
  expect(content.length % 8).toBe(0);
  expect(losses).toEqual([]);
});

describe('the C program', () => {
  const write = (calls: number, high: bigint): ReturnType<(typeof EXPORTERS)[number]['write']> =>
    findExporter('c').write(
      selectSet(
        samplePolicy({
          phases: {
            setup: Array.from({ length: calls }, (_, call) => ({
              name: `${call}`,
              args: [
                {
                  index: 1,
                  width: 64,
                  values: Array.from({ length: 60 }, (__, value) => (BigInt(call * 60 + value) << high) | 1n),
                },
              ],
            })),
          },
        }),
      ),
    );

  it('is refused if no kernel takes its filter', () => {
    expect(() => write(100, 32n)).toThrow(/^filter: [0-9]+ instructions, .*\(4096\)/);
  });

  it('comes with a remark if that cannot be told', () => {
    const texts = write(45, 32n).losses.map(({ text }) => text);
    expect(texts).toContainEqual(
      expect.stringMatching(
        /^the filter may get too long \(callgate's has [23][0-9]{3} instructions, .* 4096\)/,
      ),
    );
    expect(write(5, 32n).losses.map(({ text }) => text)).not.toContainEqual(
      expect.stringContaining('too long'),
    );
  });
});

test('firejail gets a keep list even of a policy that allows nothing', () => {
  const { content } = findExporter('firejail').write(selectSet(samplePolicy({ phases: { setup: [] } })));
  expect(content).toContain('seccomp.keep execve,execveat,prctl\n');
});

test('names and file names are unique', () => {
  expect(new Set(EXPORTERS.map(({ name }) => name)).size).toBe(EXPORTERS.length);
});

test('an unknown format is refused with the list', () => {
  expect(() => findExporter('docker')).toThrow(
    'format: no such format, "docker" (oci, k8s-spo, k8s-localhost, ',
  );
});

test.each(EXPORTERS)('$name of a program has its own set only', (exporter) => {
  const { content } = exporter.write(selectSet(policy, { program: 'helper' }));
  const text = typeof content === 'string' ? content : '';
  expect(text).not.toContain('socket');
});

test.each(EXPORTERS)('$name of a later phase has its set only', (exporter) => {
  const { content } = exporter.write(selectSet(policy, { phase: 'main' }));
  const text = typeof content === 'string' ? content : '';
  expect(text).not.toContain('socket');
});

test.each(EXPORTERS)('$name says of hostile names no more than a line', (exporter) => {
  const hostile = {
    ...policy,
    sources: [{ ...policy.sources[0]!, command: ['*/ int main;\n[Service]\nExecStart=evil'] }],
  };
  const { content, usage } = exporter.write(selectSet(hostile));
  const text = typeof content === 'string' ? content : '';
  expect(`${text}${usage}`).not.toMatch(/^ExecStart/m);
  expect(text).not.toContain('*/ int main');
  if (exporter.fileName.endsWith('.yaml')) expect(() => parse(text) as unknown).not.toThrow();
});

describe('what cannot be said is said', () => {
  const lossesOf = (name: string, sample: Parameters<typeof samplePolicy>[0]): readonly string[] =>
    findExporter(name)
      .write(selectSet(samplePolicy(sample)))
      .losses.map(({ kind, text }) => `${kind}: ${text}`);
  const newest = 471;
  const arches = [{ arch: 'x86_64' as const, newest }];
  const NEWER =
    'other: calls newer than callgate knows (x86_64 above 471) are treated as denied instead of failing with ENOSYS';

  it.each([
    { name: 'oci', sample: { arches, phases: { setup: ['read'] } }, want: [NEWER] },
    { name: 'oci', sample: { arches, onViolation: 'errno:ENOSYS', phases: { setup: ['read'] } }, want: [] },
    {
      name: 'oci',
      sample: { arches, phases: { setup: ['x86_64:600'] } },
      want: ['stricter: calls without a name cannot be allowed: x86_64:600', NEWER],
    },
    {
      name: 'oci',
      sample: {
        arches: [...arches, { arch: 'i386' as const, newest }],
        onViolation: 'errno:ENOSYS',
        phases: { setup: ['read', 'i386:open'] },
      },
      want: [
        'looser: one list holds for all arches, which opens on x86_64: open',
        'looser: one list holds for all arches, which opens on i386: read',
      ],
    },
    ...['oci', 'k8s-spo', 'k8s-localhost'].map((name) => ({
      name,
      sample: {
        arches: [{ arch: 'i386' as const, newest }],
        onViolation: 'errno:EPERM',
        phases: { setup: ['read', 'mmap2'] },
      },
      want: [
        "looser: one list holds for all arches and the machine's own, which opens on x86_64: read",
        "other: denied calls of x86_64 end like those of the policy's arches and do not kill the process",
        NEWER.replace('x86_64', 'i386'),
      ],
    })),
    {
      name: 'oci',
      sample: {
        arches: [{ arch: 'x32' as const, newest: 547 }],
        onViolation: 'kill',
        phases: { setup: ['x32:512'] },
      },
      want: [
        'stricter: calls without a name cannot be allowed: x32:512',
        NEWER.replace('x86_64 above 471', 'x32 above 547'),
      ],
    },
    {
      name: 'oci',
      sample: {
        arches: [{ arch: 'aarch64' as const, newest }],
        onViolation: 'errno:ENOSYS',
        phases: { setup: ['read'] },
      },
      want: [],
    },
    ...['c', 'oci'].map((name) => ({
      name,
      sample: {
        arches: [...arches, { arch: 'x32' as const, newest: 547 }],
        onViolation: 'errno:ENOSYS',
        phases: {
          setup: ['lseek', 'kill', 'mmap'].flatMap((call) =>
            ['x86_64', 'x32'].map((arch) => ({
              name: `${arch}:${call}`,
              args: [
                {
                  index: 1,
                  width: call === 'kill' ? (32 as const) : (64 as const),
                  values: [0n],
                  free: call === 'mmap' ? 0xffffffff_00000000n : 0n,
                },
              ],
            })),
          ),
        },
      },
      want: ['looser: the high 32 bits of arguments of x32 are not looked at: lseek'],
    })),
    {
      name: 'oci',
      sample: { arches, onViolation: 'log', phases: { setup: ['read'] } },
      want: ['stricter: calls of other arches are denied although nothing is to be blocked'],
    },
    {
      name: 'k8s-spo',
      sample: { arches, onViolation: 'errno:ENOSYS', phases: { setup: ['read'] } },
      want: ['other: the errno of denied calls cannot be expressed, it is EPERM and not 38'],
    },
    {
      name: 'seccompiler',
      sample: {
        arches: [...arches, { arch: 'i386' as const, newest }],
        phases: { setup: ['read', 'i386:read'] },
      },
      want: [
        'other: calls newer than the policy are treated as denied instead of failing with ENOSYS',
        'stricter: only the calls of x86_64 can be expressed, not those of i386',
      ],
    },
    {
      name: 'firejail',
      sample: {
        arches,
        onViolation: 'trap',
        phases: { setup: ['read', 'personality', 'execve', 'execveat', 'prctl'] },
      },
      want: [
        'other: calls newer than the policy are treated as denied instead of failing with ENOSYS',
        'stricter: firejail cannot deny by a trap, denied calls kill the process',
        'stricter: personality is denied together with the calls of other arches',
      ],
    },
    {
      name: 'firejail',
      sample: {
        arches,
        onViolation: 'errno:ENOSYS',
        phases: { setup: ['execve', 'execveat', 'prctl'] },
      },
      want: ['other: calls of other arches fail with ENOSYS too, they do not kill the process'],
    },
    {
      name: 'systemd',
      sample: { arches, onViolation: 'log', phases: { setup: [] } },
      want: ['other: SystemCallLog= has to name a call: restart_syscall is not logged'],
    },
    { name: 'minijail', sample: { arches, onViolation: 'kill', phases: { setup: ['read'] } }, want: [] },
    { name: 'cbpf', sample: { arches, phases: { setup: ['x86_64:600'] } }, want: [] },
  ])('$name with $sample', ({ name, sample, want }) => {
    expect(lossesOf(name, sample)).toEqual(want);
  });

  it.each([
    { onViolation: 'errno:EPERM', want: 'end like those' },
    { onViolation: 'trap', want: 'cannot deny by a trap, denied calls kill' },
  ])('tells of one end of denied calls for systemd and $onViolation', ({ onViolation, want }) => {
    const only = [{ arch: 'i386' as const, newest }];
    const ends = lossesOf('systemd', { arches: only, onViolation, phases: { setup: ['read'] } }).filter(
      (loss) => /denied calls/.test(loss),
    );
    expect(ends).toEqual([expect.stringContaining(want)]);
  });

  it('names every call that is concerned', () => {
    const always = systemdGroup('@default').filter((name) => syscallNumber('x86_64', name) !== null);
    expect(always.length).toBeGreaterThan(30);
    expect(lossesOf('systemd', { arches, onViolation: 'errno:ENOSYS', phases: { setup: [] } })).toContain(
      `looser: systemd always allows the group @default, here also: ${always.join(', ')}`,
    );
  });

  it('leaves out the argument with the most constants if there are too many combinations', () => {
    const values = (count: number): bigint[] => Array.from({ length: count }, (_, k) => BigInt(k));
    const call = {
      name: 'socket',
      args: [
        { index: 0, values: values(40) },
        { index: 1, values: values(30) },
      ],
    };
    expect(lossesOf('oci', { arches, onViolation: 'errno:ENOSYS', phases: { setup: [call] } })).toEqual([
      'looser: too many combinations of constants, socket is allowed with any argument 0',
    ]);
  });
});

test.each(['seccompiler', 'firejail'])('%s refuses a policy without an arch that it has', (name) => {
  const only = samplePolicy({ arches: [{ arch: 'x32', newest: 400 }], phases: { setup: ['read'] } });
  expect(() => findExporter(name).write(selectSet(only))).toThrow(`${name}: no arch that it has, x32`);
});
