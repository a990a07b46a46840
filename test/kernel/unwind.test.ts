import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openLibc } from '../../src/sys/libc.ts';
import { TraceeMemory } from '../../src/sys/memory.ts';
import { Ptrace, PTRACE_CONT, PTRACE_DETACH, PTRACE_O_EXITKILL } from '../../src/sys/ptrace.ts';
import { Waiter } from '../../src/sys/wait.ts';
import type { CodeMapping } from '../../src/unwind/code-mapping.ts';
import { type Backtrace, type Frame, type StoppedTask, Unwinder } from '../../src/unwind/unwinder.ts';
import { runTool } from '../../src/elf/testing/program.ts';
import { compile } from '../support/compile.ts';

const SOURCE = readFileSync(fileURLToPath(new URL('fixtures/stacks.c', import.meta.url)), 'utf8');

/** pause(2) of x86-64 and of i386. */
const PAUSE = { 64: 34n, 32: 29n } as const;

const ORIG_RAX = 15;

const libc = openLibc();
const ptrace = new Ptrace(libc);
const memory = new TraceeMemory(libc);
const waiter = new Waiter(libc);

/** Starts the fixture, stops it in its pause(2), and gives what `look` makes of it. */
async function atPause<T>(
  program: string,
  mode: string,
  look: (task: StoppedTask) => T,
  width: 64 | 32 = 64,
): Promise<T> {
  const child = spawn(program, [mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const tid = await readTid(child);
    // From here on nothing is awaited: a ptrace-stop must not be seen by Node's own wait.
    ptrace.seize(tid, PTRACE_O_EXITKILL);
    try {
      stopAt(tid, PAUSE[width]);
      const read: StoppedTask['read'] = (address, length) => memory.read(tid, address, length);
      return look({ registers: ptrace.registers, read, mappings: mappingsOf(child.pid as number) });
    } finally {
      ptrace.resume(PTRACE_DETACH, tid, 0);
    }
  } finally {
    child.kill('SIGKILL');
  }
}

async function readTid(child: ChildProcess): Promise<number> {
  const [data] = (await once(child.stdout!, 'data')) as [Buffer];
  return data.readInt32LE(0);
}

/** Stops a task again and again until it is in a system call. */
function stopAt(tid: number, call: bigint): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < 1000; attempt++) {
    ptrace.interrupt(tid);
    if (waiter.tracee(tid) !== tid || !ptrace.getRegisters(tid)) break;
    if (ptrace.registers[ORIG_RAX] === call) return;
    ptrace.resume(PTRACE_CONT, tid, 0);
    Atomics.wait(cell, 0, 0, 1);
  }
  throw new Error(`task ${tid} did not come to its pause`);
}

/** The file-backed mappings and the vDSO, in order of address. */
function mappingsOf(pid: number): CodeMapping[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ [0-9]+ +(\/.*|\[vdso\])$/.exec(line);
    if (match === null) return [];
    const [start, end, offset] = [1, 2, 3].map((group) => parseInt(match[group] as string, 16)) as [
      number,
      number,
      number,
    ];
    return [{ start, end, offset, path: match[4] as string }];
  });
}

function newUnwinder(): Unwinder {
  return new Unwinder((path) => readFileSync(path));
}

/** The frames up to main: names of the program's own functions, the base name of the object for those of others. */
function names({ frames }: Backtrace, program: string): string[] {
  const own = frames.map((frame) => nameOf(frame, program));
  const main = own.indexOf('main');
  return main < 0 ? own : own.slice(0, main + 1);
}

function nameOf(frame: Frame, program: string): string {
  if (frame.isSignalFrame) return 'SIGNAL';
  if (frame.object === program) return frame.symbol?.name ?? 'unnamed';
  return frame.object === null ? 'nowhere' : basename(frame.object);
}

/** What each mode of the fixture has on its stack above the C library's syscall(). */
const STACKS: readonly { readonly mode: string; readonly want: RegExp }[] = [
  { mode: 'plain', want: /^hold bottom middle plain main$/ },
  { mode: 'aligned', want: /^hold bottom aligned main$/ },
  { mode: 'library', want: /^hold bottom middle library main$/ },
  { mode: 'qsort', want: /^hold compare (LIB )+sort main$/ },
  { mode: 'signal', want: /^hold on_signal SIGNAL fault handler main$/ },
  { mode: 'altstack', want: /^hold on_signal SIGNAL fault handler main$/ },
  { mode: 'thread', want: /^hold bottom routine( LIB)+$/ },
];

const BUILDS: readonly { readonly name: string; readonly flags: readonly string[]; readonly width?: 32 }[] = [
  { name: 'gcc -O2', flags: ['-O2'] },
  { name: 'gcc -O0', flags: ['-O0'] },
  { name: 'gcc -O2 -fomit-frame-pointer', flags: ['-O2', '-fomit-frame-pointer'] },
  {
    name: 'gcc -O2 with frame pointers and without tables',
    flags: ['-O2', '-fno-omit-frame-pointer', '-fno-asynchronous-unwind-tables'],
  },
  { name: 'gcc -O2 -no-pie', flags: ['-O2', '-no-pie'] },
  { name: 'gcc -O2 -static', flags: ['-O2', '-static'] },
  { name: 'gcc -O2 -static-pie', flags: ['-O2', '-static-pie'] },
  { name: 'gcc -O2 -m32', flags: ['-O2', '-m32'], width: 32 },
];

for (const { name, flags, width = 64 } of BUILDS) {
  describe(`a backtrace of a program by ${name}`, () => {
    let program = '';
    beforeAll(() => {
      program = compile(SOURCE, [...flags, '-pthread']);
    });

    it.each(STACKS)('has all functions of the stack: $mode', async ({ mode, want }) => {
      const unwinder = newUnwinder();
      const result = await atPause(program, mode, (task) => unwinder.backtrace(task), width);
      const stack = names(result, program).slice(width === 32 ? 2 : 1);
      // In a static program the C library's functions are the program's own: what is not of the fixture is of the library.
      const text = stack.map((part) => (OWN.has(part) ? part : 'LIB')).join(' ');
      expect(text).toMatch(want);
      expect(result.frames[0]?.method).toBe('registers');
      expect(result.end).toBe('outermost');
    });

    it('goes as deep as the limit', async () => {
      const unwinder = newUnwinder();
      const [short, long] = await atPause(
        program,
        'recursion',
        (task) => [unwinder.backtrace(task), unwinder.backtrace(task, 200)] as const,
        width,
      );
      expect([short.frames.length, short.end]).toEqual([64, 'limit']);
      expect(names(long, program).filter((part) => part === 'recurse').length).toBe(100);
      expect(long.end).toBe('outermost');
    });
  });
}

/** Functions of the fixture, as it declares them, and what a signal frame is called here. */
const OWN: ReadonlySet<string> = new Set([
  ...[...SOURCE.matchAll(/^(?:static )?(?:FRAME )?(?:void|int) \*?(\w+)\(/gm)].map(
    ([, name]) => name as string,
  ),
  'SIGNAL',
]);

describe('a backtrace', () => {
  it('goes through a stripped shared object', async () => {
    const library = compile(SOURCE, ['-O2', '-DLIBRARY', '-shared', '-fPIC']);
    runTool('strip', [library]);
    const program = compile(SOURCE, ['-O2', '-DWITH_LIBRARY', library]);
    const { frames } = await atPause(program, 'library', (task) => newUnwinder().backtrace(task));
    const stack = frames
      .slice(1, 8)
      .map(({ object, symbol }) => (object === library ? `library:${symbol?.name}` : symbol?.name));
    expect(stack).toEqual([
      'hold',
      'bottom',
      'middle',
      'library:undefined',
      'library:library_call',
      'library',
      'main',
    ]);
  });

  it('leaves C++ names as they are', async () => {
    const source = SOURCE.replace(
      'FRAME void plain(int value)',
      'extern void plain(int) __asm__("_Z5plaini");\n$&',
    );
    const program = compile(source, ['-O2']);
    const result = await atPause(program, 'plain', (task) => newUnwinder().backtrace(task));
    expect(names(result, program)).toContain('_Z5plaini');
  });

  it('of a musl program without tables goes by frame pointers, and leaves out only the caller of syscall()', async () => {
    const source = join(dirname(compile(SOURCE)), 'program.c');
    const program = `${source}-musl`;
    runTool('musl-gcc', [
      '-O2',
      '-w',
      '-static',
      '-fno-omit-frame-pointer',
      '-fno-asynchronous-unwind-tables',
      '-o',
      program,
      source,
    ]);
    const result = await atPause(program, 'altstack', (task) => newUnwinder().backtrace(task));
    expect(names(result, program)).toEqual(['syscall', 'on_signal', 'SIGNAL', 'fault', 'handler', 'main']);
    expect(result.frames.map(({ method }) => method).slice(0, 5)).toEqual([
      'registers',
      'frame-pointer',
      'frame-pointer',
      'signal-frame',
      'frame-pointer',
    ]);
  });

  it('says by which method each frame was found', async () => {
    const program = compile(SOURCE, ['-O2', '-fno-omit-frame-pointer', '-fno-asynchronous-unwind-tables']);
    const { frames } = await atPause(program, 'plain', (task) => newUnwinder().backtrace(task));
    const methods = frames.slice(0, 5).map(({ symbol, method }) => `${symbol?.name} ${method}`);
    expect(methods).toEqual([
      'syscall registers',
      'hold cfi',
      'bottom frame-pointer',
      'middle frame-pointer',
      'plain frame-pointer',
    ]);
  });

  it('gives places that addr2line finds', async () => {
    const program = compile(SOURCE, ['-O2']);
    const { frames } = await atPause(program, 'plain', (task) => newUnwinder().backtrace(task));
    const own = frames.filter(({ object }) => object === program);
    const places = own.map(({ offset }) => `0x${(offset ?? 0).toString(16)}`);
    const found = runTool('addr2line', ['-f', '-e', program, ...places])
      .split('\n')
      .filter((_, line) => line % 2 === 0);
    expect(found.slice(0, own.length)).toEqual(own.map(({ symbol }) => symbol?.name));
  });

  it('takes well under a millisecond when the objects are known', async () => {
    const program = compile(SOURCE, ['-O2']);
    const unwinder = newUnwinder();
    const times = await atPause(program, 'plain', (task) =>
      Array.from({ length: 50 }, () => {
        const start = performance.now();
        unwinder.backtrace(task);
        return performance.now() - start;
      }),
    );
    // The first reads the objects; the bounds leave room for a busy machine, the median is some 0.1 ms.
    expect(times[0]).toBeLessThan(300);
    expect(times.sort((a, b) => a - b)[25]).toBeLessThan(1);
  });
});
