import { describe, expect, it } from 'vitest';
import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { Recorder, type ProcessRecord } from './recorder.ts';
import { parsePhase, parseTrigger } from './trigger.ts';
import { Watches } from './watches.ts';

/** What fired: the phase (null: ready), the pid (null: the whole tree) and the time. */
type Fired = readonly [phase: number | null, pid: number | null, at: number];

class Scene {
  readonly recorder: Recorder = new Recorder();
  readonly live: ProcessRecord[] = [];
  readonly fired: Fired[] = [];
  readonly watches: Watches;

  constructor(phases: readonly string[], ready: string | null = null) {
    this.watches = new Watches(
      phases.map(parsePhase),
      ready === null ? null : parseTrigger(ready),
      this.recorder,
      () => this.live,
      (phase, process, at) => this.fired.push([phase, process?.pid ?? null, at]),
    );
  }

  process(pid: number, parent: ProcessRecord | null = null): ProcessRecord {
    const birth = parent === null ? 'start' : 'fork';
    const phase = parent?.phase ?? 0;
    const born = this.recorder.startProcess({ pid, birth, parent, program: null, argv: null, at: 0, phase });
    this.live.push(born);
    return born;
  }

  call(process: ProcessRecord, name: string, at: number, arch: Arch = 'x86_64'): void {
    const nr = syscallNumber(arch, name) as number;
    const index = ARCHES.indexOf(arch);
    if (this.watches.watchesCall(index, nr)) this.watches.onCall(process, index, nr, at);
  }

  /** Text written at time 1 to one stream. */
  write(text: string | Uint8Array, stream = 'out'): void {
    this.watches.onOutput(stream, typeof text === 'string' ? Buffer.from(text) : text, 1);
  }
}

describe('a system call trigger', () => {
  it('counts in each process by itself', () => {
    const scene = new Scene(['main@syscall:read#2']);
    const a = scene.process(1);
    const b = scene.process(2);
    scene.call(a, 'read', 10);
    scene.call(b, 'read', 20);
    expect(scene.fired).toEqual([]);
    scene.call(b, 'read', 30);
    expect(scene.fired).toEqual([[1, 2, 30]]);
    expect([a.phase, b.phase]).toEqual([0, 1]);
  });

  it('fires for every process that counts up', () => {
    const scene = new Scene(['main@syscall:read']);
    scene.call(scene.process(1), 'read', 10);
    scene.call(scene.process(2), 'read', 20);
    expect(scene.fired).toEqual([
      [1, 1, 10],
      [1, 2, 20],
    ]);
  });

  it('fires once for a process', () => {
    const scene = new Scene(['main@syscall:read']);
    const a = scene.process(1);
    for (const at of [1, 2, 3]) scene.call(a, 'read', at);
    expect(scene.fired).toEqual([[1, 1, 1]]);
  });

  it('looks at its own call only', () => {
    const scene = new Scene(['main@syscall:read']);
    scene.call(scene.process(1), 'write', 1);
    expect(scene.fired).toEqual([]);
  });

  it('knows its call under the number of every arch', () => {
    const scene = new Scene(['main@syscall:getppid#2']);
    const a = scene.process(1);
    scene.call(a, 'getppid', 1);
    scene.call(a, 'getppid', 2, 'i386');
    expect(scene.fired).toEqual([[1, 1, 2]]);
  });

  it('counts from the beginning of the phase before', () => {
    const scene = new Scene(['a@syscall:write', 'b@syscall:read#2']);
    const process = scene.process(1);
    scene.call(process, 'read', 1);
    scene.call(process, 'write', 2);
    scene.call(process, 'read', 3);
    expect(process.phase).toBe(1);
    scene.call(process, 'read', 4);
    expect(process.phase).toBe(2);
  });

  it('begins two phases of the same call one after the other', () => {
    const scene = new Scene(['a@syscall:read', 'b@syscall:read']);
    const process = scene.process(1);
    scene.call(process, 'read', 1);
    expect(process.transitions.at(-1)).toEqual({ phase: 1, at: 1 });
  });

  it('tells that the program is ready once, whichever process it was', () => {
    const scene = new Scene([], 'syscall:read');
    scene.call(scene.process(1), 'read', 1);
    scene.call(scene.process(2), 'read', 2);
    expect(scene.fired).toEqual([[null, null, 1]]);
  });

  it('is not asked for where no trigger is a system call', () => {
    const scene = new Scene(['main@key']);
    expect(scene.watches.watchesCall(0, 0)).toBe(false);
  });
});

describe('a listen trigger', () => {
  it('switches the whole tree at its address', () => {
    const scene = new Scene(['main@listen:80']);
    const [a, b] = [scene.process(1), scene.process(2)];
    scene.watches.onListen('tcp:8080', 1);
    scene.watches.onListen('unix:80', 2);
    expect(scene.fired).toEqual([]);
    scene.watches.onListen('tcp:80', 3);
    expect(scene.fired).toEqual([[1, null, 3]]);
    expect([a.phase, b.phase]).toEqual([1, 1]);
  });

  it('waits until some process is in the phase before', () => {
    const scene = new Scene(['a@syscall:read', 'b@listen:80']);
    const process = scene.process(1);
    scene.watches.onListen('tcp:80', 1);
    expect(scene.fired).toEqual([]);
    scene.call(process, 'read', 2);
    scene.watches.onListen('tcp:80', 3);
    expect(process.phase).toBe(2);
  });

  it('fires a phase and readiness at once', () => {
    const scene = new Scene(['main@listen:80'], 'listen:80');
    scene.process(1);
    scene.watches.onListen('tcp:80', 5);
    expect(scene.fired).toEqual([
      [1, null, 5],
      [null, null, 5],
    ]);
  });
});

describe('an output trigger', () => {
  it.each<{ name: string; pattern: string; writes: readonly string[]; fires: boolean }>([
    { name: 'a line at once', pattern: '^ready$', writes: ['ready\n'], fires: true },
    { name: 'a line in pieces', pattern: '^ready$', writes: ['re', 'ad', 'y', '\n'], fires: true },
    { name: 'a line among others', pattern: '^ready$', writes: ['one\nready\ntwo'], fires: true },
    { name: 'a carriage return before the end', pattern: '^ready$', writes: ['ready\r\n'], fires: true },
    { name: 'a prompt, which does not end its line', pattern: '> $', writes: ['hello\n> '], fires: true },
    { name: 'a prompt in pieces', pattern: '^sure\\? $', writes: ['su', 're? '], fires: true },
    { name: 'nothing after a line', pattern: '^$', writes: ['one\n', 'two\n'], fires: false },
    { name: 'another line', pattern: '^ready$', writes: ['not ready\n'], fires: false },
    { name: 'two lines that only together match', pattern: 'a.?b', writes: ['a\nb\n'], fires: false },
    { name: 'an empty line', pattern: '^$', writes: ['\n'], fires: true },
  ])('on $name: fires $fires', ({ pattern, writes, fires }) => {
    const scene = new Scene([`main@output:/${pattern}/`]);
    for (const text of writes) scene.write(text);
    expect(scene.fired).toEqual(fires ? [[1, null, 1]] : []);
  });

  it('does not mix the lines of two streams', () => {
    const scene = new Scene(['main@output:/^ready$/']);
    scene.write('re', 'out');
    scene.write('xx\n', 'err');
    scene.write('ady\n', 'out');
    expect(scene.fired).toHaveLength(1);
  });

  it('sees a character whose bytes were written apart', () => {
    const scene = new Scene(['main@output:/^fertig ✓$/']);
    const bytes = Buffer.from('fertig ✓\n');
    scene.write(bytes.subarray(0, 8));
    scene.write(bytes.subarray(8));
    expect(scene.fired).toHaveLength(1);
  });

  it('finds the next line after one that is longer than it keeps', () => {
    const scene = new Scene(['main@output:/^ready$/']);
    for (let i = 0; i < 40; i++) scene.write('x'.repeat(4096));
    scene.write('\nready\n');
    expect(scene.fired).toHaveLength(1);
  });

  it('fires once', () => {
    const scene = new Scene(['main@output:/ready/']);
    scene.write('ready\nready\n');
    expect(scene.fired).toHaveLength(1);
  });

  it('takes what comes of a line later for the same line', () => {
    const scene = new Scene(['a@output:/ready/', 'b@output:/ready/']);
    for (const text of ['ready', ', really', '\n', 'not\n']) scene.write(text);
    expect(scene.fired.map(([phase]) => phase)).toEqual([1]);
    scene.write('ready');
    expect(scene.fired.map(([phase]) => phase)).toEqual([1, 2]);
  });

  it('that has not fired on a part of a line may on the whole of it', () => {
    const scene = new Scene(['a@output:/ready/'], 'output:/ready now/');
    for (const text of ['ready', ' now', '\n']) scene.write(text);
    expect(scene.fired.map(([phase]) => phase)).toEqual([1, null]);
  });

  it('is no longer pending when it has fired', () => {
    const scene = new Scene(['main@output:/ready/']);
    expect(scene.watches.pending('output')).toHaveLength(1);
    scene.write('ready\n');
    expect(scene.watches.pending('output')).toEqual([]);
  });
});

describe('a symbol trigger', () => {
  it('stays pending for other processes when one has reached it', () => {
    const scene = new Scene(['main@symbol:serve']);
    const [a, b] = [scene.process(1), scene.process(2)];
    const [watch] = scene.watches.pending('symbol');
    scene.watches.fireProcess(watch as NonNullable<typeof watch>, a, 7);
    expect(scene.watches.pending('symbol')).toEqual([watch]);
    expect(scene.watches.armedFor(watch as NonNullable<typeof watch>, a)).toBe(false);
    expect(scene.watches.armedFor(watch as NonNullable<typeof watch>, b)).toBe(true);
  });

  it('is pending only when the phase before has begun somewhere', () => {
    const scene = new Scene(['a@key', 'b@symbol:serve']);
    expect(scene.watches.pending('symbol')).toEqual([]);
    scene.watches.fireTree(1, 1);
    expect(scene.watches.pending('symbol')).toHaveLength(1);
  });

  it('does nothing for a process that is not in the phase before', () => {
    const scene = new Scene(['a@key', 'b@symbol:serve']);
    const early = scene.process(1);
    scene.watches.fireTree(1, 1);
    const [watch] = scene.watches.pending('symbol');
    scene.watches.fireProcess(watch as NonNullable<typeof watch>, early, 2);
    scene.watches.fireProcess(watch as NonNullable<typeof watch>, early, 3);
    expect(scene.fired).toEqual([
      [1, null, 1],
      [2, 1, 2],
    ]);
  });
});

describe('a phase fired for the whole tree', () => {
  it('takes every live process with it, and none that has ended', () => {
    const scene = new Scene(['main@key']);
    const [a, b] = [scene.process(1), scene.process(2)];
    scene.recorder.endProcess(b, { kind: 'exited', code: 0 }, 5);
    scene.watches.fireTree(1, 9);
    expect([a.phase, b.phase]).toEqual([1, 0]);
  });

  it('begins once', () => {
    const scene = new Scene(['main@key']);
    const process = scene.process(1);
    scene.watches.fireTree(1, 1);
    scene.watches.fireTree(1, 2);
    expect(process.transitions).toEqual([
      { phase: 0, at: 0 },
      { phase: 1, at: 1 },
    ]);
  });

  it('never leads a process back', () => {
    const scene = new Scene(['a@key', 'b@key']);
    const process = scene.process(1);
    scene.watches.fireTree(2, 1);
    scene.watches.fireTree(1, 2);
    expect(process.transitions.map(({ phase }) => phase)).toEqual([0, 2]);
  });

  it('raises the phase of the tree to the highest that was entered', () => {
    const scene = new Scene(['a@key', 'b@key']);
    scene.process(1);
    expect(scene.watches.phase).toBe(0);
    scene.watches.fireTree(2, 1);
    expect(scene.watches.phase).toBe(2);
  });

  it('is inherited by children born later', () => {
    const scene = new Scene(['main@key']);
    const parent = scene.process(1);
    scene.watches.fireTree(1, 1);
    expect(scene.process(2, parent).phase).toBe(1);
  });
});
