import { describe, expect, it, vi } from 'vitest';

import { type CodeMapping, VDSO } from './code-mapping.ts';
import { I386 } from './cpu.ts';
import { handMadeImage, type HandMadeFrame, IMAGE_SIZE } from './testing/eh-frame.ts';
import { HandMadeMemory, handMadeTask } from './testing/hand-made-task.ts';
import { type Backtrace, type StoppedTask, Unwinder } from './unwinder.ts';

const RBP = 6;
const RSP = 7;
const RIP = 16;

const STACK = 0x20000;
const BASE = 0x100000;
const MAPPING: CodeMapping = { start: BASE, end: BASE + IMAGE_SIZE, offset: 0, path: '/object' };

/** `leaf` and `middle` have frames of 8 and 16 bytes, `first` has no caller. */
const FRAMES: readonly HandMadeFrame[] = [
  { start: 0x800, size: 0x10 },
  { start: 0x810, size: 0x10, instructions: [0x0e, 24] },
  { start: 0x820, size: 0x10, instructions: [0x07, 16] },
];

function backtrace(task: StoppedTask, frames = FRAMES, limit?: number): Backtrace {
  return new Unwinder(() => handMadeImage(frames)).backtrace(task, limit);
}

function places({ frames }: Backtrace): string[] {
  return frames.map(({ pc, method }) => `${pc.toString(16)} ${method}`);
}

describe('Unwinder', () => {
  it('follows call frame information to the outermost frame', () => {
    const memory = new HandMadeMemory().words(STACK, [BASE + 0x818, 1, 2, BASE + 0x828]);
    const result = backtrace(handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]));
    expect(places(result)).toEqual(['100804 registers', '100818 cfi', '100828 cfi']);
    expect(result.end).toBe('outermost');
    expect(result.frames[1]).toMatchObject({ object: '/object', offset: 0x818, isSignalFrame: false });
  });

  it('takes a return address after the last instruction for part of the function', () => {
    const memory = new HandMadeMemory().words(STACK, [BASE + 0x820, 1, 2, BASE + 0x828]);
    const result = backtrace(handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]));
    expect(places(result)).toEqual(['100804 registers', '100820 cfi', '100828 cfi']);
  });

  it('does so for a system call that is the last instruction', () => {
    const memory = new HandMadeMemory().words(STACK, [BASE + 0x828]).put(BASE + 0x80e, [0x0f, 0x05]);
    const result = backtrace(handMadeTask(memory, { [RIP]: BASE + 0x810, [RSP]: STACK }, [MAPPING]));
    expect(places(result)).toEqual(['100810 registers', '100828 cfi']);
  });

  it('goes on where a signal has interrupted, exactly there and on any stack', () => {
    // CFA: the word at rsp + 8; return address: the word at rsp.
    const signal: HandMadeFrame = {
      start: 0x83f,
      size: 0x10,
      isSignalFrame: true,
      initial: [0x0f, 3, 0x77, 8, 0x06, 0x10, 16, 2, 0x77, 0],
    };
    const memory = new HandMadeMemory()
      .words(STACK, [BASE + 0x840, BASE + 0x810, STACK - 0x1000])
      .words(STACK - 0x1000, [1, 2, BASE + 0x828]);
    const result = backtrace(handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]), [
      ...FRAMES,
      signal,
    ]);
    expect(places(result)).toEqual(['100804 registers', '100840 cfi', '100810 cfi', '100828 cfi']);
    expect(result.frames.map(({ isSignalFrame }) => isSignalFrame)).toEqual([false, true, false, false]);
  });

  it.each<{ name: string; words: readonly number[]; instructions: readonly number[] }>([
    { name: 'does not grow', words: [BASE + 0x804], instructions: [0x0e, 0] },
    { name: 'cannot be read', words: [], instructions: [0x0e, 0x80, 0x80, 4] },
    { name: 'depends on a register that is not known', words: [], instructions: [0x0c, 40, 8] },
  ])('gives up where the stack $name', ({ words, instructions }) => {
    const memory = new HandMadeMemory().words(STACK - 8, words);
    const task = handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]);
    const result = backtrace(task, [{ start: 0x800, size: 0x10, instructions }]);
    expect([result.frames.length, result.end]).toEqual([1, 'lost']);
  });

  it('ends at a return address of 0', () => {
    const memory = new HandMadeMemory().words(STACK, [0]);
    const result = backtrace(handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]));
    expect([result.frames.length, result.end]).toEqual([1, 'outermost']);
  });

  it('ends at the limit', () => {
    const memory = new HandMadeMemory().words(STACK, Array.from<number>({ length: 500 }).fill(BASE + 0x804));
    const task = handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]);
    expect(backtrace(task).frames.length).toBe(64);
    expect(backtrace(task)).toMatchObject({ end: 'limit' });
    expect(backtrace(task, FRAMES, 3).frames.length).toBe(3);
  });

  it('reads an object once, also one that is not there', () => {
    const open = vi.fn<(path: string) => Uint8Array | null>(() => null);
    const unwinder = new Unwinder(open);
    const task = handMadeTask(new HandMadeMemory(), { [RIP]: BASE + 0x804, [RSP]: STACK }, [MAPPING]);
    for (let round = 0; round < 3; round++) {
      expect(unwinder.backtrace(task).frames).toMatchObject([
        { object: '/object', offset: null, symbol: null },
      ]);
    }
    expect(open.mock.calls).toEqual([['/object']]);
  });

  it('reads the vDSO from memory', () => {
    const image = [...handMadeImage(FRAMES)];
    const memory = new HandMadeMemory().put(BASE, image).words(STACK, [BASE + 0x828]);
    const mapping = { start: BASE, end: BASE + 0x1000, offset: 0, path: VDSO };
    const unwinder = new Unwinder(() => null);
    const result = unwinder.backtrace(handMadeTask(memory, { [RIP]: BASE + 0x804, [RSP]: STACK }, [mapping]));
    expect(places(result)).toEqual(['100804 registers', '100828 cfi']);
    expect(result.frames[0]).toMatchObject({ object: VDSO, offset: 0x804 });
  });

  it('takes registers of any value', () => {
    for (const value of [0n, 1n, 2n ** 47n, 2n ** 63n, 2n ** 64n - 1n]) {
      const task = handMadeTask(new HandMadeMemory(), { [RIP]: value, [RSP]: value, [RBP]: value }, [
        MAPPING,
      ]);
      expect(backtrace(task).frames).toMatchObject([{ pc: value, object: null, offset: null }]);
    }
  });
});

describe('frame pointers', () => {
  /** Code made at run time: no mapping, no tables; a call ends at 0x400010, at 0x400020 and at 0x400030. */
  const code = (): HandMadeMemory => {
    const memory = new HandMadeMemory();
    for (const end of [0x400010, 0x400020, 0x400030]) memory.put(end - 5, [0xe8, 0, 0, 0, 0]);
    return memory;
  };

  it('are followed where there are no tables, up to the mark of the deepest frame', () => {
    const memory = code()
      .words(STACK + 0x10, [STACK + 0x40, 0x400010])
      .words(STACK + 0x40, [0, 0x400020]);
    const result = backtrace(
      handMadeTask(memory, { [RIP]: 0x400000, [RSP]: STACK, [RBP]: STACK + 0x10 }, []),
    );
    expect(places(result)).toEqual(['400000 registers', '400010 frame-pointer', '400020 frame-pointer']);
    expect(result.end).toBe('outermost');
  });

  it('are followed in 32-bit mode', () => {
    const memory = code()
      .words(STACK + 0x10, [STACK + 0x40, 0x400010], 4)
      .words(STACK + 0x40, [0, 0x400020], 4);
    const registers = { 8: 0x400000, 4: STACK, 5: STACK + 0x10 };
    const result = backtrace(handMadeTask(memory, registers, [], I386));
    expect(places(result)).toEqual(['400000 registers', '400010 frame-pointer', '400020 frame-pointer']);
  });

  it('are followed from tables and back to them', () => {
    const memory = code()
      .put(BASE + 0x7fb, [0xe8, 0, 0, 0, 0])
      .put(BASE + 0x823, [0xe8, 0, 0, 0, 0])
      .words(STACK, [0x400010])
      .words(STACK + 0x10, [STACK + 0x40, BASE + 0x828]);
    const registers = { [RIP]: BASE + 0x804, [RSP]: STACK, [RBP]: STACK + 0x10 };
    const result = backtrace(handMadeTask(memory, registers, [MAPPING]));
    expect(places(result)).toEqual(['100804 registers', '400010 cfi', '100828 frame-pointer']);
    expect(result.end).toBe('outermost');
  });

  it.each<{ name: string; rbp: number; words: readonly number[] }>([
    { name: 'is 0 in the innermost frame', rbp: 0, words: [] },
    { name: 'is below the stack pointer', rbp: STACK - 8, words: [STACK, 0x400010] },
    { name: 'is too far away', rbp: STACK + 0x80_0008, words: [STACK, 0x400010] },
    { name: 'is not aligned', rbp: STACK + 1, words: [STACK, 0x400010] },
    { name: 'leads to no memory', rbp: STACK + 0x5000, words: [] },
    { name: 'leads to what no call precedes', rbp: STACK, words: [STACK + 0x40, 0x400011] },
  ])('are not followed when the pointer $name', ({ rbp, words }) => {
    const memory = code();
    if (words.length > 0) memory.words(rbp - (rbp % 8), words);
    const result = backtrace(handMadeTask(memory, { [RIP]: 0x400000, [RSP]: STACK, [RBP]: rbp }, []));
    expect([result.frames.length, result.end]).toEqual([1, 'lost']);
  });

  it('do not lead in a circle', () => {
    const memory = code().words(STACK, [STACK, 0x400010]);
    const result = backtrace(handMadeTask(memory, { [RIP]: 0x400000, [RSP]: STACK, [RBP]: STACK }, []));
    expect([result.frames.length, result.end]).toEqual([2, 'lost']);
  });

  it('lead through a signal handler that returns by bytes that are known', () => {
    const sigreturn = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    const saved = Array.from<number>({ length: 17 }).fill(0);
    saved[10] = STACK + 0x410;
    saved[15] = STACK + 0x400;
    saved[16] = 0x400123;
    const memory = code()
      .put(0x400200, sigreturn)
      .words(STACK, [STACK + 0x410, 0x400200])
      .words(STACK + 16 + 40, saved)
      .words(STACK + 0x410, [0, 0x400010]);
    const result = backtrace(handMadeTask(memory, { [RIP]: 0x400000, [RSP]: STACK, [RBP]: STACK }, []));
    expect(places(result)).toEqual([
      '400000 registers',
      '400200 frame-pointer',
      '400123 signal-frame',
      '400010 frame-pointer',
    ]);
    expect(result.frames[1]?.isSignalFrame).toBe(true);
  });
});
