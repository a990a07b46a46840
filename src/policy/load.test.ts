import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentError } from '../base/errors.ts';
import { formatProfile } from '../profile/save.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { createPolicyParser, parsePolicy } from './load.ts';
import { formatPolicyJson, formatPolicyYaml } from './save.ts';
import { arbitraryPolicy } from './testing/arbitrary-policy.ts';

const HEAD = `format: callgate-policy
version: 1
arches: [{ arch: x86_64, newest: 450 }]
`;

const parse = createPolicyParser();

/** The document with these calls in its only phase. */
function withCalls(...lines: readonly string[]): string {
  return `${HEAD}phases:\n  - name: setup\n    calls:\n${lines.map((line) => `      ${line}\n`).join('')}`;
}

function problemsOf(text: string): readonly string[] {
  try {
    parse(text, 'p.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    return (error as DocumentError).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe('a policy written by hand', () => {
  it('needs little', () => {
    const policy = parse(
      withCalls('- read', '- 1', '- ioctl: { request: [TCGETS, 0x5413] } # the terminal; its size'),
    );
    expect(policy.onViolation).toBe('errno:EPERM');
    expect(policy.phases[0]?.calls).toEqual([
      {
        arch: 'x86_64',
        nr: 16,
        name: 'ioctl',
        args: [{ index: 1, name: 'request', width: 32, values: [0x5401n, 0x5413n], free: 0n }],
        why: ['the terminal', 'its size'],
      },
      { arch: 'x86_64', nr: 0, name: 'read', args: [], why: [] },
      { arch: 'x86_64', nr: 1, name: 'write', args: [], why: [] },
    ]);
  });

  it('may have its arguments on lines of their own', () => {
    const text = withCalls(
      '- socket: # for the log',
      '    domain: [AF_UNIX]',
      '    type: { values: [SOCK_DGRAM], free: SOCK_CLOEXEC }',
    );
    expect(parse(text).phases[0]?.calls[0]).toMatchObject({
      name: 'socket',
      why: ['for the log'],
      args: [
        { index: 0, values: [1n] },
        { index: 1, values: [2n], free: 0x80000n },
      ],
    });
  });

  it('takes comments on lines of their own for nobody in particular', () => {
    const { calls } = parse(withCalls('# - openat', '- read', '# done with reading', '- write')).phases[0]!;
    expect(calls.map(({ why }) => why)).toEqual([[], []]);
  });

  it('takes a number with a leading 0 for octal', () => {
    const semget = parse(withCalls('- semget: { semflg: [0600] }')).phases[0]?.calls[0];
    expect(semget?.args[0]?.values).toEqual([0o600n]);
  });

  it('may name any argument by its place', () => {
    const [close] = parse(withCalls('- close: { arg0.low: [1, 2], arg1: [0xffffffffffffffff] }')).phases[0]!
      .calls;
    expect(close?.args).toEqual([
      { index: 0, name: null, width: 32, values: [1n, 2n], free: 0n },
      { index: 1, name: null, width: 64, values: [0xffffffffffffffffn], free: 0n },
    ]);
  });
});

describe('what is wrong with a policy', () => {
  it.each([
    {
      name: 'a misspelt call',
      text: withCalls('- read', '- opentat'),
      want: [
        '/phases/0/calls/1 (line 8): unknown system call of x86_64, "opentat" (nearest: openat, openat2)',
      ],
    },
    {
      name: 'a call of another arch',
      text: withCalls('- socketcall'),
      want: [
        '/phases/0/calls/0 (line 7): unknown system call of x86_64, "socketcall" (i386:socketcall exists)',
      ],
    },
    {
      name: 'an arch that the policy does not have',
      text: withCalls('- i386:open'),
      want: [
        '/phases/0/calls/0 (line 7): arch i386 is not one of those of the policy: no call of it gets this far',
      ],
    },
    {
      name: 'an unknown arch',
      text: withCalls('- mips:open'),
      want: ['/phases/0/calls/0 (line 7): unknown arch, "mips" (x86_64, i386, x32, aarch64)'],
    },
    {
      name: 'a call twice',
      text: withCalls('- read', '- 0'),
      want: ['/phases/0/calls/1 (line 8): listed twice, read (also /phases/0/calls/0)'],
    },
    {
      name: 'an unknown argument',
      text: withCalls('- ioctl: { cmd: [1] }'),
      want: [
        '/phases/0/calls/0/ioctl/cmd (line 7): unknown argument of ioctl, "cmd" (request, arg0 to arg5, arg0.low to arg5.low)',
      ],
    },
    {
      name: 'an argument behind a pointer',
      text: withCalls('- clone3: { flags: [0] }'),
      want: [
        '/phases/0/calls/0/clone3/flags (line 7): argument flags of clone3 stands behind a pointer, where no filter can look',
      ],
    },
    {
      name: 'a signal by another name',
      text: withCalls('- kill: { sig: [KILL] }'),
      want: [
        '/phases/0/calls/0/kill/sig (line 7): unknown value, "KILL" (a number or SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP ...)',
      ],
    },
    {
      name: 'an unknown value',
      text: withCalls('- fcntl: { cmd: [F_NOSUCH] }'),
      want: [
        '/phases/0/calls/0/fcntl/cmd (line 7): unknown value, "F_NOSUCH" (a number or F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL ...)',
      ],
    },
    {
      name: 'a value that can never match',
      text: withCalls('- fcntl: { cmd: [0x100000000] }'),
      want: [
        '/phases/0/calls/0/fcntl/cmd (line 7): value 4294967296 can never match, it does not fit (32 bits)',
      ],
    },
    {
      name: 'a value that no register of the arch can hold',
      text: withCalls('- i386:lseek: { arg1: [1, 0x100000002] }').replace(
        'newest: 450 }',
        'newest: 450 }, { arch: i386, newest: 450 }',
      ),
      want: [
        '/phases/0/calls/0/i386:lseek/arg1 (line 7): value 4294967298 can never match, registers of i386 have 32 bits',
      ],
    },
    {
      name: 'no values',
      text: withCalls('- fcntl: { cmd: [] }'),
      want: ['/phases/0/calls/0/fcntl/cmd (line 7): must not have fewer than 1 items, is list'],
    },
    {
      name: 'a name that is not that of the number',
      text: withCalls('- { arch: x86_64, nr: 0, name: write }'),
      want: [
        '/phases/0/calls/0/name (line 7): name and number disagree, "write" and 0 (0 is read on x86_64)',
      ],
    },
    {
      name: 'arguments of a call that does not exist for the program',
      text: `${HEAD}enosys: [{ clone: { flags: [17] } }]\nphases: [{ name: setup, calls: [] }]\n`,
      want: ['/enosys/0 (line 4): arguments do not belong here: the call fails whatever they are'],
    },
    {
      name: 'phases that nothing begins',
      text: `${HEAD}phases:\n- { name: setup, trigger: "after:1s", calls: [] }\n- { name: setup, calls: [] }\n`,
      want: [
        '/phases/1 (line 6): second phase of this name, "setup"',
        '/phases/0/trigger (line 5): the first phase has no trigger',
        '/phases/1 (line 6): phase setup has no trigger: nothing would begin it',
      ],
    },
    {
      name: 'several fields at once',
      text: `${HEAD}strict: loose\nonViolation: explode\nkernels: 6.1\ncolour: red\nphases: []\n`,
      want: [
        'document (line 1): unknown field, "colour"',
        '/strict (line 4): must be one of observed, balanced, sound, is "loose"',
        '/kernels (line 6): must be string or null, is 6.1',
        '/onViolation (line 5): must match pattern "^(kill|trap|log|errno:[A-Z0-9]{1,32})$", is "explode"',
        '/phases (line 8): must not have fewer than 1 items, is list',
      ],
    },
    {
      name: 'actions and ranges that there are not',
      text: `${HEAD}onViolation: errno:ENOPE\nkernels: 6.1..5.10\nphases: [{ name: setup, calls: [] }]\n`,
      want: [
        '/kernels (line 5): not a range of kernels, "6.1..5.10" (FROM..TO, the older one first)',
        '/onViolation (line 4): unknown action, "errno:ENOPE" (kill, trap, log, errno:NAME)',
      ],
    },
    {
      name: 'a comment as data that would not stay on its line',
      text: withCalls('- { arch: x86_64, nr: 0, why: ["a\\nb"] }'),
      want: [expect.stringContaining('/phases/0/calls/0/why/0 (line 7): must match pattern')],
    },
  ])('is said of $name', ({ text, want }) => {
    expect(problemsOf(text)).toEqual(want);
  });

  it.each([
    {
      name: 'a newer document',
      text: 'format: callgate-policy\nversion: 2\n',
      want: 'p: policy version 2 is newer than this callgate understands (1); upgrade callgate',
    },
    {
      name: 'another document',
      text: '{"format": "callgate-prose", "version": 1}',
      want: 'p: not a callgate policy, its "format" is not "callgate-policy"',
    },
    {
      name: 'no version',
      text: 'format: callgate-policy\n',
      want: 'p: policy version is no integer from 1 up',
    },
    { name: 'nothing', text: '', want: 'p: no policy, it is empty' },
    { name: 'blanks', text: ' \n', want: 'p: no policy, it is empty' },
    {
      name: 'a profile, of any size',
      text: formatProfile(sampleProfile([])).padEnd(5 * 1024 * 1024),
      want: 'p: not a callgate policy but a profile (callgate policy makes a policy of it)',
    },
    { name: 'broken JSON', text: '{"format": ', want: /^p: not JSON, / },
    { name: 'broken YAML', text: 'a: [1\nb: 2', want: /^p: not YAML, line [12]: / },
    { name: 'a key twice', text: 'a: 1\na: 2', want: 'p: not YAML, line 2: Map keys must be unique' },
    { name: 'two documents', text: 'a: 1\n---\nb: 1', want: /^p: not YAML, line 3?2?: / },
    { name: 'an anchor', text: 'a: &x [1]\nb: *x', want: 'p: line 1: an anchor (&NAME) is not allowed' },
    { name: 'an alias', text: 'b: *x', want: /^p: (not YAML, )?line 1: / },
    { name: 'a tag', text: 'a: !!binary aaaa', want: 'p: line 1: a tag (!NAME) is not allowed' },
    {
      name: 'a key that is a list',
      text: '? [a]\n: b',
      want: 'p: line 1: a key that is a list or an object is not allowed',
    },
    {
      name: 'a key twice in JSON',
      text: '{"format":"callgate-policy","version":1,"phases":[{"name":"a","calls":["execve"],\n"calls":["execve","ptrace"]}]}',
      want: 'p: line 2: the key "calls" is there twice',
    },
    {
      name: 'many brackets',
      text: '['.repeat(100_000),
      want: 'p: too deep or too many on one line, line 1 (128)',
    },
    {
      name: 'many levels',
      text: Array.from({ length: 40 }, (_, level) => `${' '.repeat(level)}a:\n`).join(''),
      want: 'p: line 18: nested too deep (16 levels)',
    },
    { name: 'a very long text', text: '#'.repeat(5 * 1024 * 1024), want: 'p: 5242880 characters (4194304)' },
  ])('is said of $name', ({ text, want }) => {
    expect(() => parsePolicy(text, 'p')).toThrow(want);
  });

  it('is a DocumentError for any change of a document, never another failure', () => {
    const cut = fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 30 }),
      insert: fc.string({ unit: 'binary', maxLength: 6 }),
    });
    fc.assert(
      fc.property(arbitraryPolicy(), cut, fc.boolean(), (policy, { at, length, insert }, isJson) => {
        const text = isJson ? formatPolicyJson(policy) : formatPolicyYaml(policy);
        const start = at % (text.length + 1);
        try {
          parse(text.slice(0, start) + insert + text.slice(start + length));
        } catch (error) {
          expect(error).toBeInstanceOf(DocumentError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does not reach the prototype of anything', () => {
    expect(() => parse('__proto__: { format: callgate-policy, version: 1 }')).toThrow(
      'not a callgate policy',
    );
    expect(problemsOf(withCalls('- __proto__: { constructor: [1] }'))).toEqual([
      '/phases/0/calls/0 (line 7): unknown system call of x86_64, "__proto__"',
    ]);
  });
});
