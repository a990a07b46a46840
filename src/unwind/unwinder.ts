import { type CodeMapping, mappingAt } from './code-mapping.ts';
import type { CodeObject } from './code-object.ts';
import { cpuOf, registerValues } from './cpu.ts';
import { stepByFramePointer } from './frame-pointer-step.ts';
import { followsSystemCall } from './instruction.ts';
import { unlessMalformed } from './malformed.ts';
import { MemoryView, type ReadMemory } from './memory-view.ts';
import { ObjectCache, type OpenObject } from './object-cache.ts';
import { isSigreturn, stepBySignalFrame } from './signal-step.ts';
import { type FrameState, type Step, stepByRow, type UnwindPlan } from './step.ts';
import type { SymbolPlace } from './symbol-index.ts';

/** A task that is stopped, as a tracer sees it. */
export interface StoppedTask {
  /** The 27 words of struct user_regs_struct; they are copied. */
  readonly registers: BigUint64Array;
  readonly read: ReadMemory;
  /** In order of address. With VDSO among them, code of the vDSO is unwound by its own tables, which i386 programs need. */
  readonly mappings: readonly CodeMapping[];
}

/**
 * How a frame was found: it is the innermost; from its callee's call frame information, or frame pointer; or in
 * what the kernel saved before it called a signal handler.
 */
export type FrameMethod = 'registers' | 'cfi' | 'frame-pointer' | 'signal-frame';

/** One frame of a backtrace. */
export interface Frame {
  /** Where the frame goes on: a return address, but for the innermost frame and those that a signal interrupted. */
  readonly pc: bigint;
  /** Path of the mapping; null outside of all of them, as for code made at run time. */
  readonly object: string | null;
  /** The pc as a vaddr of the object; null when the object could not be read. */
  readonly offset: number | null;
  /** The function of the call; null when no symbol covers it. */
  readonly symbol: SymbolPlace | null;
  readonly method: FrameMethod;
  /** The code only returns from a signal handler to the next frame. */
  readonly isSignalFrame: boolean;
}

/** The frames of a stack, the innermost first. */
export interface Backtrace {
  readonly frames: readonly Frame[];
  /** Why there are no more: the last is the first of its stack; there may be more than the limit; its caller could not be found. */
  readonly end: 'outermost' | 'limit' | 'lost';
}

/** Frames of a backtrace, at most, unless fewer are asked for. */
export const FRAME_LIMIT = 64;

/**
 * Backtraces of stopped tasks in 64-bit and in 32-bit mode, from outside.
 *
 * Frames are found by `.eh_frame`, where that says nothing by frame pointers. Whatever the tracee's memory and files hold,
 * a backtrace ends, in time bounded by the size of its objects, and does not throw unless `open` or `read` does.
 * One unwinder serves all processes that see the same files; objects are read once and then kept.
 */
export class Unwinder {
  readonly #objects: ObjectCache;

  constructor(open: OpenObject) {
    this.#objects = new ObjectCache(open);
  }

  /** The frames of a task, at most `limit`, a positive number. */
  backtrace(task: StoppedTask, limit: number = FRAME_LIMIT): Backtrace {
    const cpu = cpuOf(task.registers);
    let state: FrameState = {
      cpu,
      registers: registerValues(cpu, task.registers),
      memory: new MemoryView(task.read),
    };
    const frames: Frame[] = [];
    let method: FrameMethod = 'registers';
    let isReturnAddress = false;
    for (;;) {
      const place = this.#locate(task, state, isReturnAddress);
      frames.push({ ...place.frame, method });
      if (frames.length >= limit) return { frames, end: 'limit' };
      const { step, by } = advance(state, place, method === 'frame-pointer');
      if (step.kind !== 'caller') return { frames, end: step.kind };
      state = { ...state, registers: step.registers };
      method = by;
      isReturnAddress = !place.frame.isSignalFrame;
    }
  }

  #locate(task: StoppedTask, state: FrameState, isReturnAddress: boolean): Place {
    const { cpu, registers, memory } = state;
    const pc = registers[cpu.returnAddress] ?? 0n;
    // A call may be the last instruction of its function: what matters is where the call is, not what follows it.
    const isAfterCall = isReturnAddress || followsSystemCall(cpu, memory, pc);
    const site = this.#siteOf(task, isAfterCall ? pc - 1n : pc);
    const plan = site.vaddr === null ? null : (site.object?.planAt(cpu, site.vaddr) ?? null);
    const isSignalFrame = plan === null ? isSigreturn(cpu, memory, pc) : plan.isSignalFrame;
    // No call precedes the code that handlers return to.
    const named = isSignalFrame && isReturnAddress ? this.#siteOf(task, pc) : site;
    const before = named === site && isAfterCall ? 1 : 0;
    const symbol = named.vaddr === null ? null : (named.object?.symbolAt(named.vaddr) ?? null);
    const frame = {
      pc,
      object: named.path,
      offset: named.vaddr === null ? null : named.vaddr + before,
      symbol: symbol === null ? null : { name: symbol.name, offset: symbol.offset + before },
      isSignalFrame,
    };
    return { frame, plan };
  }

  #siteOf(task: StoppedTask, address: bigint): Site {
    const mapping = address > MAX_ADDRESS || address < 0n ? null : mappingAt(task.mappings, Number(address));
    if (mapping === null) return { path: null, object: null, vaddr: null };
    const object = this.#objects.get(mapping, task.read);
    const vaddr = object?.vaddrOf(Number(address) - mapping.start + mapping.offset) ?? null;
    return { path: mapping.path, object, vaddr };
  }
}

interface Site {
  readonly path: string | null;
  readonly object: CodeObject | null;
  readonly vaddr: number | null;
}

interface Place {
  readonly frame: Omit<Frame, 'method'>;
  readonly plan: UnwindPlan | null;
}

const MAX_ADDRESS = BigInt(Number.MAX_SAFE_INTEGER);

/** Finds the caller by the best means there are. */
function advance(
  state: FrameState,
  { frame, plan }: Place,
  isInChain: boolean,
): { step: Step; by: FrameMethod } {
  const step = plan === null ? null : unlessMalformed(() => stepByRow(state, plan));
  if (step !== null) return { step, by: 'cfi' };
  if (isSigreturn(state.cpu, state.memory, frame.pc))
    return { step: stepBySignalFrame(state), by: 'signal-frame' };
  return { step: stepByFramePointer(state, isInChain), by: 'frame-pointer' };
}
