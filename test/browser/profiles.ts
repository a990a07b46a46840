import { syscalls } from '../../src/abi/syscalls.ts';
import { isWaitingCall } from '../../src/abi/waiting-calls.ts';
import type { Call, Process, Profile, Run } from '../../src/profile/model.ts';

const MS = 1e6;

/** A tree of servers: each of the first `forks` processes has children, all make the same number of calls. */
export function largeProfile(processes: number, calls: number): Profile {
  const duration = 60_000 * MS;
  const table = syscalls('x86_64').filter(({ since }) => since !== null);
  const made = (index: number): readonly Call[] =>
    table.slice(0, calls).map(({ nr, name }, place): Call => {
      const first = index * 40 * MS + place * 100_000 + ((index * 7919 + place * 104729) % 1000);
      const last = Math.min(duration - 1, first + ((index * 31 + place * 17) % 50) ** 2 * 14 * MS);
      return {
        arch: 'x86_64',
        nr,
        name,
        origin: 'observed',
        count: 1 + ((index * place) % 1000),
        first,
        last,
        phases: last > duration / 2 ? (first < duration / 2 ? [0, 1] : [1]) : [0],
        ...(isWaitingCall('x86_64', nr) ? { waits: { uses: [first], total: 5 * MS } } : {}),
      };
    });
  return {
    ...emptyProfile(),
    runs: [testRun(duration)],
    phases: [
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      { name: 'main', trigger: 'after:30s', source: 'given', reason: null, entered: true },
    ],
    programs: [{ path: '/usr/sbin/server', buildId: null, calls: [] }],
    processes: Array.from({ length: processes }, (_, index): Process => {
      const start = index * 40 * MS;
      return {
        run: 0,
        pid: 1000 + index,
        birth: index === 0 ? 'start' : 'fork',
        parent: index === 0 ? null : Math.floor((index - 1) / 8),
        program: 0,
        argv: index === 0 ? ['/usr/sbin/server', '--workers'] : null,
        start,
        end: duration,
        exit: { kind: 'exited', code: 0 },
        threads:
          index % 5 === 0 ? [{ tid: 100_000 + index, creator: 1000 + index, start, end: duration }] : [],
        transitions:
          start < duration / 2
            ? [
                { phase: 0, at: start },
                { phase: 1, at: duration / 2 },
              ]
            : [{ phase: 1, at: start }],
        listens: [],
        calls: made(index),
      };
    }),
  };
}

/** Strings that end elements, attributes, lines and terminals' patience, and bytes that are no UTF-8. */
export const HOSTILE: readonly string[] = [
  '</script><script>document.title="broken"</script>',
  '<img src=x onerror=alert(1)>',
  '"\'`&amp;<!--',
  '\u001b[31mred\u0007\u0000',
  'bytes \\xff\\xfe',
  'a\u202Etxt.exe\u2028next\u2029',
  '\ud800 lone',
  'x'.repeat(5000),
  '\n\n\t',
  '',
];

/** One process for each hostile string, which is its path, argument and socket. */
export function hostileProfile(): Profile {
  return {
    ...emptyProfile(),
    runs: [
      {
        ...testRun(1000 * MS),
        command: HOSTILE,
        complete: false,
        incomplete: HOSTILE.filter((text) => text !== ''),
        warnings: HOSTILE.filter((text) => text !== ''),
      },
    ],
    programs: HOSTILE.map((text) => ({ path: `/opt/${text}`, buildId: null, calls: [] })),
    processes: HOSTILE.map((text, index): Process => ({
      run: 0,
      pid: index + 1,
      birth: 'start',
      parent: null,
      program: index,
      argv: [text, text],
      start: 0,
      end: 1000 * MS,
      exit: { kind: 'signaled', signal: 'SIGKILL', core: false },
      threads: [],
      transitions: [{ phase: 0, at: 0 }],
      listens: [{ at: MS, address: `unix:${text}` }],
      calls: [
        {
          arch: 'x86_64',
          nr: 16,
          name: 'ioctl',
          origin: 'observed',
          count: 1,
          first: 2 * MS,
          last: 3 * MS,
          phases: [0],
          args: [{ index: 1, name: 'request', values: [0x5413, '0xffffffffffffffff'] }],
        },
        {
          arch: 'x86_64',
          nr: 6000 + index,
          name: null,
          origin: 'observed',
          count: 1,
          first: 0,
          last: 0,
          phases: [0],
        },
      ],
    })),
  };
}

/** A profile without runs, programs and processes. */
export function emptyProfile(): Profile {
  return {
    format: 'callgate-profile',
    version: 1,
    generator: { name: 'callgate', version: '0.0.0' },
    runs: [],
    phases: [{ name: 'setup', trigger: null, source: 'start', reason: null, entered: true }],
    programs: [],
    processes: [],
  };
}

/** A run that is complete. */
export function testRun(duration: number): Run {
  return {
    method: 'ptrace',
    command: ['server'],
    start: '2026-01-02T03:04:05.678Z',
    duration,
    complete: true,
    incomplete: [],
    lost: 0,
    warnings: [],
    host: { kernel: '6.18.0', arch: 'x86_64', libc: 'glibc 2.36', distribution: null },
  };
}

/** A program that may call ptrace by its code, with the chain that leads there, and was never seen to. */
export function chainedProfile(): Profile {
  const object = '/usr/bin/debugger';
  const library = '/lib/x86_64-linux-gnu/libc.so.6';
  return {
    ...emptyProfile(),
    runs: [{ ...testRun(0), method: 'analyze', command: [object] }],
    programs: [
      {
        path: object,
        buildId: null,
        calls: [
          {
            arch: 'x86_64',
            nr: 101,
            name: 'ptrace',
            origin: 'possible',
            count: null,
            first: null,
            last: null,
            phases: [0],
            chains: [
              {
                phase: 0,
                steps: [
                  { object, function: '_start', address: 0x1000, how: 'root', note: 'entry' },
                  { object, function: 'main', address: 0x1100, how: 'call' },
                  { object: library, function: 'ptrace', address: 0x1200, how: 'import' },
                  { object: library, function: 'ptrace', address: 0x1234, how: 'site' },
                ],
              },
            ],
          },
        ],
      },
    ],
  };
}
