import { ARCHES, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import type { SelectingArgument } from '../../abi/selecting-arguments.ts';
import { waitCategory } from '../../abi/waiting-calls.ts';
import { fileIdentity, listenAddress } from '../proc.ts';
import type { CallRecord } from '../recorder.ts';
import type { Adaptive } from './adaptive.ts';
import type { Context } from './context.ts';
import type { Breakpoints } from './breakpoints.ts';
import type { MissingSymbols } from './missing-symbols.ts';
import type { Interrupted } from './restart.ts';
import type { Task } from './task.ts';
import * as kind from './call-kinds.ts';

const I386 = ARCHES.indexOf('i386');
const X86_64 = ARCHES.indexOf('x86_64');

const CLONE_UNTRACED = 0x00800000;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_STRICT = 1;
const SECCOMP_SET_MODE_STRICT = 0;
/** SYS_LISTEN of include/uapi/linux/net.h: what socketcall(2) takes. */
const SOCKETCALL_LISTEN = 4;

/** Bytes of a written buffer that an output trigger looks at. */
const OUTPUT_CAP = 65536;

/** Handles the stop at which a task enters a system call; the kernel's syscall info has been fetched. */
export class CallHandler {
  readonly #context: Context;
  readonly #breakpoints: Breakpoints;
  readonly #missing: MissingSymbols;
  readonly #adaptive: Adaptive | null;
  /** By arch index. */
  readonly #kinds: Uint16Array[] = [];
  /** stdout and stderr of the program, by identity; looked at only while an output trigger waits. */
  #streams: ReadonlySet<string> = new Set();
  #strictWarned = false;

  constructor(
    context: Context,
    breakpoints: Breakpoints,
    missing: MissingSymbols,
    adaptive: Adaptive | null,
  ) {
    this.#context = context;
    this.#adaptive = adaptive;
    this.#breakpoints = breakpoints;
    this.#missing = missing;
  }

  /** Remembers which files are the program's stdout and stderr. */
  noteStreams(pid: number): void {
    const streams = [1, 2].map((fd) => fileIdentity(pid, fd)).filter((stream) => stream !== null);
    this.#streams = new Set(streams);
  }

  /** Records the call that `task` enters. */
  enter(task: Task, at: number): void {
    const { ptrace, recorder, watches } = this.#context;
    const rawNr = ptrace.nr;
    const arch = kind.archIndex(ptrace.auditArch, rawNr);
    if (arch === -1) throw new Error(`tracer: unknown audit arch 0x${ptrace.auditArch.toString(16)}`);
    const nr = ARCHES[arch] === 'x32' ? rawNr & ~X32_SYSCALL_BIT : rawNr;
    if (this.#missing.isLoading(task)) this.#missing.called(task);
    const kinds = nr >= 0 ? (this.#kindsOf(arch)[nr] ?? 0) : 0;
    task.cloning = (kinds & (kind.KIND_VFORK | kind.KIND_CLONE | kind.KIND_CLONE3)) !== 0;
    if ((kinds & kind.KIND_RESTART) !== 0 && task.skipRestart) {
      task.skipRestart = false;
      return;
    }
    task.skipRestart = false;
    const isAgain = task.again === rawNr;
    task.again = null;
    if (isAgain) return;
    // A phase that this very call begins has the call in it: its first use is not before the transition.
    if (watches.watchesCall(arch, nr)) watches.onCall(task.process, arch, nr, at);
    const call = recorder.call(task.process, arch, nr, at);
    if (task.syscallStops) task.call = call;
    this.#adaptive?.saw(task.process, call, at);
    if (kinds === 0) return;
    if ((kinds & kind.KIND_WAIT) !== 0) {
      task.wait = call;
      task.waitSince = at;
      this.#frames(task, call);
    }
    if ((kinds & kind.KIND_ARGUMENTS) !== 0) this.#arguments(task, call);
    if ((kinds & ~(kind.KIND_WAIT | kind.KIND_ARGUMENTS)) !== 0) this.#special(task, arch, kinds);
  }

  /**
   * Records the call in which attaching found a task: it began before, and its entry will not be seen. One that the
   * kernel makes again under its own number is left for then; one that goes on as restart_syscall is recorded
   * now, and the restart_syscall, which the program would not have made, is not.
   */
  enterInterrupted(task: Task, interrupted: Interrupted, auditArch: number, at: number): void {
    if (!interrupted.restartBlock) return;
    const arch = kind.archIndex(auditArch, interrupted.nr);
    if (arch === -1) return;
    this.#context.recorder.call(task.process, arch, interrupted.nr, at);
    task.skipRestart = true;
  }

  /** At the stop of a filter that enforces: a call that makes a child, which goes on, makes one that is traced, and is not recorded. */
  keepInSight(task: Task): void {
    const { ptrace } = this.#context;
    const arch = kind.archIndex(ptrace.auditArch, ptrace.nr);
    if (arch === -1) return;
    const nr = ARCHES[arch] === 'x32' ? ptrace.nr & ~X32_SYSCALL_BIT : ptrace.nr;
    const kinds = nr >= 0 ? (this.#kindsOf(arch)[nr] ?? 0) : 0;
    this.#special(task, arch, kinds & (kind.KIND_CLONE | kind.KIND_CLONE3));
  }

  /**
   * Notes how the first thread of a process comes to wait for events: at ever longer intervals, so that it is not long before the end, and costs
   * little. Other threads may come there while the first is still setting up.
   */
  #frames(task: Task, call: CallRecord): void {
    if (task.tid !== task.process.pid || call.arch !== X86_64) return;
    const waits = ++call.firstThreadWaits;
    if ((waits & (waits - 1)) !== 0 || waitCategory('x86_64', call.nr) !== 'event') return;
    const frames = this.#context.tracebacks.places(task);
    if (frames.length > 0) call.frames = frames;
  }

  #arguments(task: Task, call: CallRecord): void {
    const { recorder } = this.#context;
    for (const [which, selector] of call.selectors.entries()) {
      const value = call.values[which] === null ? null : this.#argument(task, call, selector);
      if (value === null) call.values[which] = null;
      else recorder.value(call, which, value);
      this.#adaptive?.sawValue(which, value);
    }
  }

  /** Null if the structure that holds the value cannot be read. */
  #argument(task: Task, call: CallRecord, selector: SelectingArgument): number | string | null {
    const { ptrace, memory } = this.#context;
    if (selector.pointee !== undefined) {
      const address = ptrace.argument(selector.index) + BigInt(selector.pointee.offset);
      const word = memory.readWord(task.tid, address);
      return word === null ? null : exact(selector.pointee.bits === 32 ? word & 0xffffffffn : word);
    }
    if (selector.bits === 32 || call.arch === I386) return ptrace.low(selector.index);
    return exact(ptrace.argument(selector.index));
  }

  #kindsOf(arch: number): Uint16Array {
    return (this.#kinds[arch] ??= kind.buildCallKinds(ARCHES[arch] as Arch));
  }

  #special(task: Task, arch: number, kinds: number): void {
    if ((kinds & kind.KIND_VFORK) !== 0) task.cloneFlags = 0;
    if ((kinds & kind.KIND_CLONE) !== 0) this.#clone(task);
    if ((kinds & kind.KIND_CLONE3) !== 0) this.#clone3(task);
    if ((kinds & (kind.KIND_SECCOMP | kind.KIND_PRCTL)) !== 0) this.#seccomp(task, kinds);
    if ((kinds & kind.KIND_LISTEN) !== 0) this.#listen(task, this.#context.ptrace.low(0));
    if ((kinds & kind.KIND_SOCKETCALL) !== 0) this.#socketcall(task);
    if ((kinds & kind.KIND_WRITE) !== 0) this.#write(task, arch);
    if ((kinds & kind.KIND_MMAP) !== 0 && this.#breakpoints.wanted(task)) {
      task.onExit = () => this.#breakpoints.place(task);
    }
  }

  /**
   * Under CLONE_UNTRACED the child would escape, and die of ENOSYS under the filter: the flag is taken out, and given
   * back after the call.
   */
  #clone(task: Task): void {
    const { ptrace } = this.#context;
    task.cloneFlags = ptrace.low(0);
    if ((task.cloneFlags & CLONE_UNTRACED) === 0 || !ptrace.getRegisters(task.tid)) return;
    // The first argument: ebx of an i386 caller, rdi of a 64-bit one.
    const register = ptrace.auditArch === 0x40000003 ? 5 : 14;
    const flags = ptrace.registers[register] as bigint;
    ptrace.registers[register] = flags & ~BigInt(CLONE_UNTRACED);
    ptrace.setRegisters(task.tid);
    restoreAfter(task, (tid) => {
      if (!ptrace.getRegisters(tid)) return;
      ptrace.registers[register] = flags;
      ptrace.setRegisters(tid);
    });
  }

  #clone3(task: Task): void {
    const { ptrace, memory } = this.#context;
    const address = ptrace.argument(0);
    const flags = memory.readWord(task.tid, address);
    task.cloneFlags = flags === null ? -1 : Number(flags & 0xffffffffn);
    if (flags === null || (flags & BigInt(CLONE_UNTRACED)) === 0n) return;
    memory.writeWord(task.tid, address, flags & ~BigInt(CLONE_UNTRACED));
    restoreAfter(task, (tid) => void memory.writeWord(tid, address, flags));
  }

  /**
   * A filter of the program's own may deny calls, and those are invisible to ours: its verdict comes first. The ptrace
   * entry stop comes before any filter, so from here on the process and its children stop there.
   */
  #seccomp(task: Task, kinds: number): void {
    const { ptrace, tasks, host } = this.#context;
    const isPrctl = (kinds & kind.KIND_PRCTL) !== 0;
    if (isPrctl && ptrace.low(0) !== PR_SET_SECCOMP) return;
    const mode = ptrace.low(isPrctl ? 1 : 0);
    const strict = mode === (isPrctl ? SECCOMP_MODE_STRICT : SECCOMP_SET_MODE_STRICT);
    const { request, inheritsFilter } = this.#context;
    const isFiltered = (request.method === 'seccomp' && !inheritsFilter) || task.process.unmeasured !== null;
    this.#adaptive?.bar(task.process);
    if (strict && isFiltered && !this.#strictWarned) {
      this.#strictWarned = true;
      host.send({
        kind: 'warning',
        text: `pid ${task.process.pid} asks for seccomp strict mode, which the tracing filter makes fail; trace it with --method ptrace`,
      });
    }
    if (strict) return;
    for (const other of tasks.values()) {
      if (other.process !== task.process || other.syscallStops) continue;
      other.syscallStops = true;
      // TSYNC filters threads that run on without a stop of their own: have them stop once.
      if (other !== task) other.interrupted = ptrace.interrupt(other.tid);
    }
  }

  #socketcall(task: Task): void {
    const { ptrace, memory } = this.#context;
    if (ptrace.low(0) !== SOCKETCALL_LISTEN) return;
    const bytes = memory.read(task.tid, BigInt(ptrace.low(1)), 4);
    if (bytes === null || bytes.length < 4) return;
    this.#listen(task, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
  }

  #listen(task: Task, fd: number): void {
    const { host, watches } = this.#context;
    task.onExit = (returnValue) => {
      if (returnValue !== 0) return;
      const address = listenAddress(task.tid, fd);
      if (address === null) return;
      const at = host.now();
      task.process.listens.push({ at, address });
      watches.onListen(address, at);
    };
  }

  #write(task: Task, arch: number): void {
    const { ptrace, watches, memory, host } = this.#context;
    if (watches.pending('output').length === 0) return;
    const stream = fileIdentity(task.tid, ptrace.low(0));
    if (stream === null || !this.#streams.has(stream)) return;
    const name = callName(arch, ptrace.nr);
    const wide = arch !== I386 && ARCHES[arch] !== 'x32';
    const at = host.now();
    for (const [address, length] of buffers(name, ptrace, memory, task.tid, wide)) {
      const bytes = memory.read(task.tid, address, Math.min(length, OUTPUT_CAP));
      if (bytes !== null) watches.onOutput(stream, bytes, at);
    }
  }
}

/** Both who makes a clone call and who is made by it get back what was changed of its arguments. */
function restoreAfter(task: Task, restore: (tid: number) => void): void {
  task.restore = restore;
  task.onExit = () => {
    task.restore = null;
    restore(task.tid);
  };
}

function callName(arch: number, nr: number): 'vector' | 'message' | 'plain' {
  const x86 = ARCHES[arch] === 'x86_64';
  if (nr === (x86 ? 20 : 146) || nr === (x86 ? 296 : 334)) return 'vector';
  if (nr === (x86 ? 46 : 370)) return 'message';
  return 'plain';
}

/** Address and length of each buffer that a write, writev or sendmsg passes. */
function* buffers(
  form: 'vector' | 'message' | 'plain',
  ptrace: Context['ptrace'],
  memory: Context['memory'],
  tid: number,
  wide: boolean,
): Generator<[bigint, number]> {
  if (form === 'plain') {
    yield [wide ? ptrace.argument(1) : BigInt(ptrace.low(1)), ptrace.low(2)];
    return;
  }
  let vector = wide ? ptrace.argument(1) : BigInt(ptrace.low(1));
  let count = ptrace.low(2);
  if (form === 'message') {
    // struct msghdr: msg_iov and msg_iovlen follow msg_name and msg_namelen.
    const header = memory.read(tid, vector, wide ? 32 : 16);
    if (header === null || header.length < (wide ? 32 : 16)) return;
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    vector = wide ? view.getBigUint64(16, true) : BigInt(view.getUint32(8, true));
    count = wide ? Number(view.getBigUint64(24, true)) : view.getUint32(12, true);
  }
  const size = wide ? 16 : 8;
  const bytes = memory.read(tid, vector, Math.min(count, 1024) * size);
  if (bytes === null) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + size <= bytes.length; at += size) {
    if (wide) yield [view.getBigUint64(at, true), Number(view.getBigUint64(at + 8, true))];
    else yield [BigInt(view.getUint32(at, true)), view.getUint32(at + 4, true)];
  }
}

/** A number where it is exact, else text. */
function exact(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `0x${value.toString(16)}`;
}
