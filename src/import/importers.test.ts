import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { CallgateError } from '../base/errors.ts';
import { findExporter } from '../export/exporters.ts';
import { selectSet } from '../export/selection.ts';
import { samplePolicy } from '../export/testing/sample-policy.ts';
import { formatPolicyJson, formatPolicyYaml } from '../policy/save.ts';
import { formatProfile } from '../profile/save.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { chooseImporter, detectImporter, findImporter, IMPORTERS } from './importers.ts';
import { inputOf } from './testing/read-text.ts';

const policy = samplePolicy({ enosys: ['clone3'], phases: { setup: ['read', 'write', 'execve'] } });

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const exported = (format: string): Uint8Array => {
  const { content } = findExporter(format).write(selectSet(policy));
  return typeof content === 'string' ? encode(content) : content;
};

/** One file of each format. */
const SAMPLES: Readonly<Record<string, Uint8Array>> = {
  cbpf: exported('cbpf'),
  oci: exported('oci'),
  systemd: exported('systemd'),
  numbers: encode('[0, 1, 2, 257]'),
  audit: encode(
    'type=SECCOMP msg=audit(1700000000.100:101): pid=42 comm="a" exe="/a" arch=c000003e syscall=59 ip=0x1 code=0x0\n',
  ),
  strace: encode(
    '7 execve("./a", ["./a"], 0x7 /* 1 var */) = 0\n7 brk(NULL) = 0x1\n7 +++ exited with 0 +++\n',
  ),
  sysfilter: encode(
    '{"analysis_modes": ["vacuum"], "analysis_scope": {"(executable)": {"path": "/bin/a"}}, "syscalls": [0, 1]}',
  ),
  chestnut: encode('{\n    ":all": [\n        0,\n        1\n    ],\n    "read": [\n        0\n    ]\n}'),
  confine: encode("1;nginx;200;10;210;0;300;{'ptrace', 'bpf'}\n"),
  temporal: encode('------- main -------\nread\nwrite\n------- child -------\nread\n'),
  callander: encode(
    'callander: permitted syscalls: read(any u32, any, any) @ libc.so.6+0x1(read+16)\nfutex(any)\n',
  ),
  'number-lines': encode('0 1 3 4 257 \n'),
  names: encode('# a script\nread\nwrite\n257\n'),
};

describe('files are recognised', () => {
  it.each(IMPORTERS.map(({ name }) => name))('%s', (name) => {
    expect(detectImporter(SAMPLES[name]!, 'file').name).toBe(name);
  });

  it.each([
    ['calls that go on', '5000  <... futex resumed>) = 0\n', 'strace'],
    ['signals', '5000  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---\n', 'strace'],
    ['calls that others interrupt', '5000  futex(0x7f0000000000, FUTEX_WAIT <unfinished ...>\n', 'strace'],
    ['ends', '5000  +++ exited with 0 +++\n', 'strace'],
  ])('a log of strace whose first lines are mostly %s', (_, line, want) => {
    const text = `5000  read(0, "", 1) = 0\n${line.repeat(49)}5000  close(3) = 0\n`;
    expect(detectImporter(encode(text), 'file').name).toBe(want);
  });

  const LISTING =
    /^file: a listing of a filter for people, which cannot be imported \(callgate export --format cbpf /;

  it.each(['errno:EPERM', 'kill', 'log'])('no listing of a filter of callgate, with %s', (onViolation) => {
    const denied = samplePolicy({ onViolation, enosys: ['clone3'], phases: { setup: ['read', 'execve'] } });
    const listing = encode(findExporter('pfc').write(selectSet(denied)).content as string);
    for (const name of [null, 'names']) expect(() => chooseImporter(listing, 'file', name)).toThrow(LISTING);
  });

  it('no listing that begins with a denied call', () => {
    const listing = encode('# mine\narch x86_64:\r\n  ptrace (101): errno(1)\r\n  read (0): allow\r\n');
    expect(() => detectImporter(listing, 'file')).toThrow(LISTING);
  });

  it('no document of callgate', () => {
    const policies = [formatPolicyYaml(policy), formatPolicyJson(policy), '---\nformat: "callgate-policy"\n'];
    for (const [name, text] of [null, 'oci', 'names'].flatMap((each) =>
      policies.map((own) => [each, own] as const),
    )) {
      expect(() => chooseImporter(encode(text), 'file', name)).toThrow(
        'file: a policy of callgate already (callgate check, run, export and compare read it)',
      );
    }
    expect(() => chooseImporter(encode(formatProfile(sampleProfile([]))), 'file', null)).toThrow(
      'file: a profile of callgate already (callgate show, policy, compare and report read it)',
    );
  });

  it.each([
    '[76544.713360] audit: type=1326 ',
    '[76544] audit: type=1326 ',
    '[    3.100000] audit: type=1326 ',
  ])('a kernel log whose lines begin with %j', (start) => {
    const line = `${start}audit(1796039089.720:10437): pid=27940 comm="f" exe="/f" sig=0 arch=c000003e syscall=110\n`;
    const importer = detectImporter(encode(line.repeat(3)), 'file');
    expect(importer.name).toBe('audit');
    expect(importer.read(inputOf(line)).kind).toBe('profile');
  });

  it.each(['[0]', ' [ 1 ]\n', '[-1, 2]', '[\n  257,\n  3\n]\n'])('%j as a list of numbers', (text) => {
    expect(detectImporter(encode(text), 'file').name).toBe('numbers');
  });

  it('a list of numbers with comments', () => {
    expect(detectImporter(encode('0 # read\n1; write\n257 // openat\n'), 'file').name).toBe('names');
  });

  it.each(['1795418993 something\n', '12:00:01 12 13\n'])('%j is no list of numbers', (text) => {
    expect(() => detectImporter(encode(text), 'file')).toThrow('format not recognised');
  });

  it('nothing in an empty one', () => {
    expect(() => detectImporter(encode(''), 'file')).toThrow('file: it is empty');
  });

  it.each([' \n', 'hello\n', '{"a": 1}', '\0\0\0\0\0\0\0\0'])('%j is none of them', (text) => {
    expect(() => detectImporter(encode(text), 'file')).toThrow(
      'file: format not recognised (cbpf, oci, sysfilter, chestnut, strace, numbers, audit, ',
    );
  });
});

test.each([
  ['empty lines', `x 2${'\n'.repeat(200_000)}x`],
  ['blanks', `${' '.repeat(200_000)}x`],
  ['tabs', `SystemCallFilter${'\t'.repeat(200_000)}x`],
  ['braces', '{'.repeat(200_000)],
  ['parentheses', `a(${'()'.repeat(100_000)}`],
  ['numbers', `?;a;${'1;'.repeat(100_000)}`],
  ['headings', '------- main ------\n'.repeat(10_000)],
])('long files of %s are looked at in a moment', (_, text) => {
  const start = performance.now();
  expect(() => detectImporter(encode(text), 'file')).toThrow('file: format not recognised');
  // A few milliseconds; a minute where a pattern tries every way to divide them.
  expect(performance.now() - start).toBeLessThan(3000);
});

test('an unknown format is refused with the list', () => {
  expect(() => findImporter('docker')).toThrow('format: no such format, "docker" (cbpf, oci, ');
});

test.each(IMPORTERS.map(({ name }) => name))(
  'damaged files of %s give a result or an error of callgate',
  (name) => {
    const sample = SAMPLES[name]!;
    const damage = fc.array(
      fc.record({
        at: fc.nat(sample.length - 1),
        byte: fc.nat(255),
        kind: fc.constantFrom('set', 'cut', 'insert'),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = [...sample];
        for (const { at, byte, kind } of changes) {
          if (kind === 'set') bytes[at] = byte;
          else if (kind === 'cut') bytes.splice(at, byte);
          else bytes.splice(at, 0, byte);
        }
        try {
          findImporter(name).read(inputOf(Uint8Array.from(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(CallgateError);
        }
      }),
      { numRuns: 300 },
    );
  },
);
