import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { runTool } from '../elf/testing/program.ts';
import type { CodeMapping } from './code-mapping.ts';
import { handMadeImage, IMAGE_SIZE } from './testing/eh-frame.ts';
import { HandMadeMemory, handMadeTask } from './testing/hand-made-task.ts';
import { Unwinder } from './unwinder.ts';

const BASE = 0x100000;
const STACK = 0x20000;

const byte = fc.integer({ min: 0, max: 255 });

describe('a hostile program', () => {
  it('gets a backtrace whatever its call frame instructions are', () => {
    const mapping = { start: BASE, end: BASE + IMAGE_SIZE, offset: 0, path: '/object' };
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 60 }),
        fc.array(byte, { maxLength: 60 }),
        fc.boolean(),
        fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
        (initial, instructions, isSignalFrame, stack) => {
          const image = handMadeImage([{ start: 0x800, size: 0x8000, initial, instructions, isSignalFrame }]);
          const memory = new HandMadeMemory()
            .put(STACK, [...stack])
            .words(STACK, [BASE + 0x900, BASE + 0x804]);
          const task = handMadeTask(memory, { 16: BASE + 0x900, 7: STACK, 6: STACK + 64 }, [mapping]);
          const { frames } = new Unwinder(() => image).backtrace(task);
          expect(frames.length).toBeGreaterThan(0);
          expect(frames.length).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('gets a backtrace whatever bytes of its objects are changed', () => {
    const original = readFileSync(runTool('gcc', ['-print-file-name=libdl.so.2']).trim());
    const mapping: CodeMapping = { start: BASE, end: BASE + 0x100000, offset: 0, path: '/object' };
    const change = fc.record({ at: fc.integer({ min: 0, max: original.length - 1 }), value: byte });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 0, max: original.length - 1 }),
        (changes, pc) => {
          const bytes = Uint8Array.from(original);
          for (const { at, value } of changes) bytes[at] = value;
          const words = Array.from(
            { length: 512 },
            (_, index) => BASE + ((pc + index * 8) % original.length),
          );
          const memory = new HandMadeMemory().words(STACK, words);
          const task = handMadeTask(memory, { 16: BASE + pc, 7: STACK, 6: STACK + 64 }, [mapping]);
          expect(new Unwinder(() => bytes).backtrace(task).frames.length).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('cannot make a backtrace last', () => {
    // Register 16 is where it was; each of the others needs 200 reads of memory, anywhere.
    const others = Array.from({ length: 7 }, (_, register) => {
      const expression = [0x0a, 0, register << 4, ...Array.from({ length: 200 }, () => 0x06)];
      return [0x16, register, 0x80 | (expression.length & 0x7f), expression.length >> 7, ...expression];
    });
    const instructions = [0x16, 16, 3, 0x0a, 0x00, 0x09, ...others.flat()];
    const image = handMadeImage([{ start: 0, size: IMAGE_SIZE, instructions, isSignalFrame: true }]);
    const mapping = { start: 0, end: IMAGE_SIZE, offset: 0, path: '/object' };
    const task = handMadeTask(new HandMadeMemory(), { 16: 0x900, 7: 0x9000 }, [mapping]);
    let reads = 0;
    const read = (): Uint8Array => {
      reads++;
      const words = BigUint64Array.from({ length: 512 }, (_, index) => BigInt(reads * 0x10000 + index * 8));
      return new Uint8Array(words.buffer);
    };
    const start = performance.now();
    expect(new Unwinder(() => image).backtrace({ ...task, read })).toMatchObject({ end: 'limit' });
    expect(reads).toBe(1024);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
