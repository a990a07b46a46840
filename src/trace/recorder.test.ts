import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Call, Process } from '../profile/model.ts';
import { ARGUMENT_CAP } from '../profile/call-union.ts';
import { canonicalProcess } from '../profile/canonical.ts';
import { Recorder, USES_CAP, type CallRecord, type ProcessRecord } from './recorder.ts';

const X86_64 = ARCHES.indexOf('x86_64');
const I386 = ARCHES.indexOf('i386');

function begin(recorder: Recorder, pid = 1, at = 0): ProcessRecord {
  return recorder.startProcess({
    pid,
    birth: 'start',
    parent: null,
    program: null,
    argv: ['a'],
    at,
    phase: 0,
  });
}

function call(
  recorder: Recorder,
  process: ProcessRecord,
  name: string,
  at: number,
  arch: Arch = 'x86_64',
): CallRecord {
  return recorder.call(process, ARCHES.indexOf(arch), syscallNumber(arch, name) as number, at);
}

/** The process of a recording with one process. */
function only(recorder: Recorder): Process {
  const { processes } = recorder.finish();
  expect(processes).toHaveLength(1);
  return processes[0] as Process;
}

function find(process: Process, name: string): Call {
  return process.calls.find((each) => each.name === name) as Call;
}

describe('a call', () => {
  it('has its count and the times of its first and last use', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    for (const at of [5, 7, 9]) call(recorder, process, 'getpid', at);
    expect(only(recorder).calls).toEqual([
      {
        arch: 'x86_64',
        nr: 39,
        name: 'getpid',
        origin: 'observed',
        count: 3,
        first: 5,
        last: 9,
        phases: [0],
      },
    ]);
  });

  it('is one of its arch', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    recorder.call(process, X86_64, 39, 1);
    recorder.call(process, I386, 39, 2);
    expect(only(recorder).calls.map(({ arch, name }) => `${arch} ${name}`)).toEqual([
      'x86_64 getpid',
      'i386 mkdir',
    ]);
    expect(recorder.distinct).toBe(2);
  });

  it.each([1023, 1024, 100_000, 2 ** 30, -1, -2147483648])('is kept if its number is %i', (nr) => {
    const recorder = new Recorder();
    const process = begin(recorder);
    recorder.call(process, X86_64, nr, 1);
    recorder.call(process, X86_64, nr, 2);
    expect(only(recorder).calls).toMatchObject([{ nr: nr >>> 0, name: null, count: 2 }]);
  });

  it('carries the phases in which it was used', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    call(recorder, process, 'read', 1);
    recorder.enterPhase(process, 1, 2);
    call(recorder, process, 'write', 3);
    recorder.enterPhase(process, 30, 4);
    call(recorder, process, 'read', 5);
    const { calls, transitions } = only(recorder);
    expect(calls.map(({ name, phases }) => [name, phases])).toEqual([
      ['read', [0, 30]],
      ['write', [1]],
    ]);
    expect(transitions).toEqual([
      { phase: 0, at: 0 },
      { phase: 1, at: 2 },
      { phase: 30, at: 4 },
    ]);
  });

  it('is the launch only while it is used no further', () => {
    const recorder = new Recorder();
    const [one, two] = [begin(recorder, 1), begin(recorder, 2)];
    call(recorder, one, 'execve', 0).launch = true;
    call(recorder, two, 'execve', 0).launch = true;
    call(recorder, two, 'execve', 5);
    const { processes } = recorder.finish();
    expect(processes.map(({ calls }) => calls[0]?.launch)).toEqual([true, undefined]);
  });

  it('has its errors by name and count, or by number where there is no name', () => {
    const recorder = new Recorder();
    const record = call(recorder, begin(recorder), 'openat', 1);
    for (const errno of [13, 2, 2, 4095]) recorder.errno(record, errno);
    expect(find(only(recorder), 'openat').errnos).toEqual({ ENOENT: 2, EACCES: 1, '4095': 1 });
  });

  it('has the time that was spent waiting in it', () => {
    const recorder = new Recorder();
    call(recorder, begin(recorder), 'epoll_wait', 3).waited = 40;
    expect(find(only(recorder), 'epoll_wait').waits).toEqual({ uses: [3], total: 40 });
  });

  it('keeps no times of uses if nobody waits in it', () => {
    const recorder = new Recorder();
    call(recorder, begin(recorder), 'getpid', 3);
    expect(find(only(recorder), 'getpid')).not.toHaveProperty('waits');
  });

  it('keeps the times of its first uses and counts the others', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    for (let at = 1; at <= USES_CAP + 10; at++) call(recorder, process, 'epoll_wait', at);
    const found = find(only(recorder), 'epoll_wait');
    expect(found.waits?.uses).toEqual(Array.from({ length: USES_CAP }, (_, index) => index + 1));
    expect(found.count).toBe(USES_CAP + 10);
  });
});

describe('an argument', () => {
  it('has its distinct values in ascending order, numbers and texts alike', () => {
    const recorder = new Recorder();
    const record = call(recorder, begin(recorder), 'ioctl', 1);
    for (const value of [9, '0x20000000000001', 2, 9, '0xffffffffffffffff', 10])
      recorder.value(record, 0, value);
    expect(find(only(recorder), 'ioctl').args).toEqual([
      {
        index: 1,
        name: 'request',
        values: [2, 9, 10, '0x20000000000001', '0xffffffffffffffff'],
        uses: Array.from({ length: 5 }, () => [1, 1]),
      },
    ]);
  });

  it('has the first and last use of each value', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    for (const [at, value] of [
      [1, 7],
      [2, 5],
      [3, 7],
    ] as const) {
      recorder.value(call(recorder, process, 'ioctl', at), 0, value);
    }
    expect(find(only(recorder), 'ioctl').args).toEqual([
      {
        index: 1,
        name: 'request',
        values: [5, 7],
        uses: [
          [2, 2],
          [1, 3],
        ],
      },
    ]);
  });

  it('keeps as many values as the cap says', () => {
    const recorder = new Recorder();
    const record = call(recorder, begin(recorder), 'ioctl', 1);
    for (let value = 0; value < ARGUMENT_CAP; value++) recorder.value(record, 0, value);
    expect(find(only(recorder), 'ioctl').args?.[0]?.values).toHaveLength(ARGUMENT_CAP);
  });

  it('is any with one value more than the cap, and stays so', () => {
    const recorder = new Recorder();
    const record = call(recorder, begin(recorder), 'ioctl', 1);
    for (let value = 0; value <= ARGUMENT_CAP; value++) recorder.value(record, 0, value);
    recorder.value(record, 0, 1);
    expect(find(only(recorder), 'ioctl').args?.[0]?.values).toBe('any');
  });

  it('is left out if no value of it was seen', () => {
    const recorder = new Recorder();
    const record = call(recorder, begin(recorder), 'mmap', 1);
    recorder.value(record, 1, 34);
    expect(find(only(recorder), 'mmap').args).toEqual([
      { index: 3, name: 'flags', values: [34], uses: [[1, 1]] },
    ]);
  });
});

describe('a process', () => {
  it('goes on as a new entry after an exec, in its phase and with its pid', () => {
    const recorder = new Recorder();
    const before = begin(recorder, 7);
    recorder.enterPhase(before, 1, 3);
    const after = recorder.exec(before, recorder.program('/bin/b', 'ab12'), ['b'], 9);
    call(recorder, after, 'read', 10);
    const { processes } = recorder.finish();
    expect(processes).toMatchObject([
      { pid: 7, birth: 'start', parent: null, end: 9, exit: { kind: 'exec' } },
      { pid: 7, birth: 'exec', parent: 0, start: 9, end: null, exit: null, argv: ['b'], program: 0 },
    ]);
    expect(processes[1]?.transitions).toEqual([{ phase: 1, at: 9 }]);
    expect(processes[1]?.calls[0]?.phases).toEqual([1]);
  });

  it('enters no phase after its end', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    recorder.endProcess(process, { kind: 'exited', code: 3 }, 5);
    recorder.enterPhase(process, 1, 6);
    expect(only(recorder)).toMatchObject({ exit: { code: 3 }, transitions: [{ phase: 0, at: 0 }] });
  });

  it('ends its threads with it', () => {
    const recorder = new Recorder();
    const process = begin(recorder);
    recorder.startThread(process, 12, 1, 4);
    recorder.startThread(process, 11, 12, 4);
    recorder.endThread(process, 12, 5);
    recorder.endProcess(process, { kind: 'exited', code: 0 }, 6);
    expect(only(recorder).threads).toEqual([
      { tid: 11, creator: 12, start: 4, end: 6 },
      { tid: 12, creator: 1, start: 4, end: 5 },
    ]);
  });
});

describe('a process as it is recorded', () => {
  const noted = fc.record({
    arch: fc.nat(2),
    // poll and socket among them, and numbers that the kernel takes for large ones.
    nr: fc.constantFrom(-1, 0, 7, 39, 41, 231, 0x40000000, 0x7fffffff),
    at: fc.nat(100),
    values: fc.array(fc.oneof(fc.nat(3), fc.constant('0xffffffffffffffff')), { maxLength: 3 }),
    errno: fc.option(fc.nat(140)),
  });
  const ended = fc.constantFrom(
    { kind: 'exited', code: 3 } as const,
    { kind: 'signaled', signal: 'SIGTERM', core: false } as const,
    { kind: 'detached' } as const,
  );
  const happened = {
    calls: fc.array(noted),
    listens: fc.array(fc.nat(9)),
    tids: fc.uniqueArray(fc.nat(9)),
    ended,
  };

  it('is as documents have it, whatever happened in which order', () => {
    fc.assert(
      fc.property(fc.record(happened), ({ calls, listens, tids, ended: exit }) => {
        const recorder = new Recorder();
        const process = begin(recorder);
        for (const { arch, nr, at, values, errno } of calls) {
          const made = recorder.call(process, arch, nr, at);
          for (const [index, value] of values.entries()) recorder.value(made, index % 2, value);
          if (errno !== null) recorder.errno(made, errno);
        }
        for (const at of listens) process.listens.push({ at, address: `tcp:${9 - at}` });
        for (const tid of tids) recorder.startThread(process, tid, 1, tid % 3);
        recorder.enterPhase(process, 1, 50);
        recorder.endProcess(process, exit, 100);
        const recorded = only(recorder);
        // Of a copy nobody knows that it is in order.
        expect(JSON.stringify(recorded)).toBe(JSON.stringify(canonicalProcess(structuredClone(recorded))));
      }),
    );
  });
});

describe('a program', () => {
  it('is its path together with its build-id', () => {
    const recorder = new Recorder();
    const places = [
      recorder.program('/bin/a', null),
      recorder.program('/bin/a', 'ff'),
      recorder.program('/bin/b', 'ff'),
      recorder.program('/bin/a', null),
    ];
    expect(places).toEqual([0, 1, 2, 0]);
  });
});
