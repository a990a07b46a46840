import { closeSync, readSync } from 'node:fs';
import { errnoText } from '../abi/errno.ts';
import { SystemCallError } from '../base/errors.ts';
import type { BpfLibc } from './bpf-libc.ts';
import { addressOf, type Libc } from './libc.ts';

/** Commands of bpf(2); source: include/uapi/linux/bpf.h, enum bpf_cmd. */
const COMMAND = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  OBJ_GET_INFO_BY_FD: 15,
  RAW_TRACEPOINT_OPEN: 17,
  MAP_LOOKUP_AND_DELETE_ELEM: 21,
  MAP_LOOKUP_BATCH: 24,
  MAP_DELETE_BATCH: 27,
  LINK_CREATE: 28,
  ITER_CREATE: 33,
} as const;

/** Kinds of map; source: as above, enum bpf_map_type. */
const MAP_TYPE = { hash: 1, array: 2, 'percpu-array': 6, 'cgroup-array': 8, 'ring-buffer': 27 } as const;

export type MapKind = keyof typeof MAP_TYPE;

/** What a map is to be. Sizes in bytes; for a ring buffer `entries` is its size, a power of two of at least a page. */
export interface MapSpec {
  readonly kind: MapKind;
  readonly key: number;
  readonly value: number;
  readonly entries: number;
  /** Whether an array can be mapped into memory. */
  readonly isMappable?: true;
}

/** A program that is typed by the kernel's BTF and runs at a raw tracepoint or for each task, or one that runs at places of user code. */
export interface ProgramSpec {
  /** At most 15 characters, for `bpftool prog`. */
  readonly name: string;
  /** struct bpf_insn[], descriptors filled in. */
  readonly instructions: Uint8Array;
  /** BTF id of the typedef btf_trace_NAME of its tracepoint, or how a program at places of user code is to be attached. */
  readonly tracepoint: number | TaskIterator | UprobeKind;
}

/** BTF id of the function that stands for a program which runs for each task. */
export interface TaskIterator {
  readonly iterator: number;
}

/** By a link, since Linux 6.6, of which the kernel lets go in a third of the time; or by a perf event. */
export type UprobeKind = 'link' | 'perf-event';

const BPF_PROG_TYPE_KPROBE = 2;
const BPF_PROG_TYPE_TRACING = 26;
const BPF_TRACE_RAW_TP = 23;
const BPF_TRACE_ITER = 28;
const BPF_TRACE_UPROBE_MULTI = 48;
const BPF_F_NO_PREALLOC = 1;
const BPF_F_MMAPABLE = 1 << 10;
const BPF_ANY = 0;
const BPF_NOEXIST = 1;

const ENOENT = 2;
const EPERM = 1;
const EAGAIN = 11;
const EEXIST = 17;
const ENOSPC = 28;

/** Offsets in struct bpf_prog_info, with which the runs that the kernel skipped are told. */
const PROG_INFO_SIZE = 232;
const RECURSION_MISSES = 208;

/** How often a program is offered that the verifier had no quiet to look at. */
const LOAD_TRIES = 20;

/** sizeof(sigset_t) of glibc. */
const SIGNAL_SET_SIZE = 128;

/** Room for what the verifier has to say; more only costs if it refuses. */
const LOG_SIZE = 1 << 20;

/** The verifier, or a step before it, refused a program; `log` is what it said, and may be empty. */
export class ProgramRefusedError extends SystemCallError {
  readonly log: string;

  constructor(message: string, errno: number, log: string) {
    super(message, { request: 'BPF_PROG_LOAD', errno });
    this.log = log;
  }
}

/** bpf(2), as far as callgate needs it. Descriptors that it returns are close-on-exec and the caller's to close. */
export class Bpf {
  readonly #libc: Libc;
  readonly #bpfLibc: BpfLibc;
  readonly #attributes: DataView = new DataView(new ArrayBuffer(144));

  constructor(libc: Libc, bpfLibc: BpfLibc) {
    this.#libc = libc;
    this.#bpfLibc = bpfLibc;
  }

  /** @throws SystemCallError */
  createMap(name: string, spec: MapSpec): number {
    const view = this.#clear();
    view.setUint32(0, MAP_TYPE[spec.kind], true);
    view.setUint32(4, spec.key, true);
    view.setUint32(8, spec.value, true);
    view.setUint32(12, spec.entries, true);
    // Memory is taken when an entry is made: what is set up for a short program is then nearly nothing.
    const flags =
      (spec.kind === 'hash' ? BPF_F_NO_PREALLOC : 0) | (spec.isMappable === true ? BPF_F_MMAPABLE : 0);
    view.setUint32(16, flags, true);
    writeName(view, 28, name);
    return this.#call('MAP_CREATE', 72, `map ${name}`);
  }

  /** @throws ProgramRefusedError */
  loadProgram(spec: ProgramSpec): number {
    /** A descriptor, or the negative error number. */
    const attempt = (log: Uint8Array | null): number => {
      const view = this.#clear();
      const license = Buffer.from('Dual MIT/GPL\0');
      const { tracepoint } = spec;
      const isTyped = typeof tracepoint !== 'string';
      view.setUint32(0, isTyped ? BPF_PROG_TYPE_TRACING : BPF_PROG_TYPE_KPROBE, true);
      view.setUint32(4, spec.instructions.length / 8, true);
      view.setBigUint64(8, addressOf(spec.instructions), true);
      view.setBigUint64(16, addressOf(license), true);
      if (log !== null) {
        view.setUint32(24, 1, true);
        view.setUint32(28, log.length, true);
        view.setBigUint64(32, addressOf(log), true);
      }
      writeName(view, 48, spec.name);
      if (isTyped) {
        const isIterator = typeof tracepoint === 'object';
        view.setUint32(68, isIterator ? BPF_TRACE_ITER : BPF_TRACE_RAW_TP, true);
        view.setUint32(108, isIterator ? tracepoint.iterator : tracepoint, true);
      } else if (tracepoint === 'link') {
        view.setUint32(68, BPF_TRACE_UPROBE_MULTI, true);
      }
      // SAFETY: instructions and log are the caller's and outlive the call, as does `license`, which is used below.
      const fd = this.#bpfLibc.bpf(COMMAND.PROG_LOAD, view, 144);
      const result = fd === -1 ? -this.#libc.errno() : fd;
      license.fill(0);
      return result;
    };
    using _blocked = this.#blockSignals();
    let fd = attempt(null);
    // A stop, which cannot be blocked, sends the verifier back to the start as well.
    for (let tries = 1; fd === -EAGAIN && tries < LOAD_TRIES; tries++) fd = attempt(null);
    if (fd >= 0) return fd;
    const errno = -fd;
    // Asked for only now: writing the log takes the verifier longer than verifying.
    const log = new Uint8Array(LOG_SIZE);
    const again = errno === EPERM ? -1 : attempt(log);
    if (again >= 0) return again;
    const text = Buffer.from(log.subarray(0, Math.max(0, log.indexOf(0)))).toString('utf8');
    const name = errnoText(errno);
    throw new ProgramRefusedError(`bpf: the kernel refused program ${spec.name}, ${name}`, errno, text);
  }

  /** Runs a loaded program at its tracepoint until the descriptor is closed. @throws SystemCallError */
  attach(program: number): number {
    const view = this.#clear();
    view.setUint32(8, program, true);
    return this.#call('RAW_TRACEPOINT_OPEN', 16, 'attaching a program');
  }

  /** Runs a program once for each task that there is. @throws SystemCallError */
  iterate(program: number): void {
    const view = this.#clear();
    view.setUint32(0, program, true);
    view.setUint32(8, BPF_TRACE_ITER, true);
    const link = this.#call('LINK_CREATE', 64, 'a program for each task');
    try {
      const attributes = this.#clear();
      attributes.setUint32(0, link, true);
      const file = this.#call('ITER_CREATE', 16, 'a program for each task');
      try {
        // It runs while it is read, and has nothing to say.
        const nothing = new Uint8Array(16);
        while (readSync(file, nothing) > 0);
      } finally {
        closeSync(file);
      }
    } finally {
      closeSync(link);
    }
  }

  /**
   * Runs a program of kind `link` whenever any process is about to execute the instruction at a file offset, until the descriptor
   * is closed. The file is one by its inode, in whatever process and under whatever name it is mapped, now or later.
   *
   * @throws SystemCallError
   */
  linkUprobe(program: number, path: string, offset: number): number {
    const view = this.#clear();
    const name = Buffer.from(`${path}\0`);
    const offsets = BigUint64Array.of(BigInt(offset));
    view.setUint32(0, program, true);
    view.setUint32(8, BPF_TRACE_UPROBE_MULTI, true);
    view.setBigUint64(16, addressOf(name), true);
    view.setBigUint64(24, addressOf(offsets), true);
    view.setUint32(48, 1, true);
    // SAFETY: name and offsets outlive the call, in which the kernel copies both; they are used below.
    const fd = this.#bpfLibc.bpf(COMMAND.LINK_CREATE, view, 64);
    if (fd === -1) throw this.#failure('LINK_CREATE', this.#libc.errno(), `offset ${offset} of ${path}`);
    name.fill(0);
    offsets.fill(0n);
    return fd;
  }

  /** Fills `value`; false if the key is not there. @throws SystemCallError */
  lookup(map: number, key: Uint8Array, value: Uint8Array): boolean {
    return this.#element('MAP_LOOKUP_ELEM', map, key, value) === 0;
  }

  /** As {@link lookup}, and takes the key out. @throws SystemCallError */
  take(map: number, key: Uint8Array, value: Uint8Array): boolean {
    return this.#element('MAP_LOOKUP_AND_DELETE_ELEM', map, key, value) === 0;
  }

  /** @throws SystemCallError; ENOSPC or E2BIG if the map is full */
  update(map: number, key: Uint8Array, value: Uint8Array): void {
    this.#element('MAP_UPDATE_ELEM', map, key, value);
  }

  /** Adds a key; false if it is there already. @throws SystemCallError; ENOSPC or E2BIG if the map is full */
  insert(map: number, key: Uint8Array, value: Uint8Array): boolean {
    return this.#element('MAP_UPDATE_ELEM', map, key, value, BPF_NOEXIST) === 0;
  }

  /** False if the key was not there. @throws SystemCallError */
  delete(map: number, key: Uint8Array): boolean {
    return this.#element('MAP_DELETE_ELEM', map, key, null) === 0;
  }

  /** Replaces `key` by the one after it, or fills it with the first if `after` is null; false at the end. */
  nextKey(map: number, after: Uint8Array | null, key: Uint8Array): boolean {
    return this.#element('MAP_GET_NEXT_KEY', map, after, key) === 0;
  }

  /**
   * Copies what a hash holds, bucket by bucket: what is there all the time comes exactly once. `take` gets how many of `keys` and
   * `values` are filled, and they are overwritten afterwards. Since Linux 5.6.
   *
   * @throws SystemCallError; ENOSPC if the buffers are smaller than what one bucket holds
   */
  walk(
    map: number,
    keys: Uint32Array,
    values: Uint32Array,
    count: number,
    take: (count: number) => void,
  ): void {
    const position = new Uint8Array(16);
    for (let isFirst = true; ; isFirst = false) {
      const view = this.#clear();
      view.setBigUint64(0, isFirst ? 0n : addressOf(position), true);
      view.setBigUint64(8, addressOf(position), true);
      view.setBigUint64(16, addressOf(keys), true);
      view.setBigUint64(24, addressOf(values), true);
      view.setUint32(32, count, true);
      view.setUint32(36, map, true);
      // SAFETY: `keys` and `values` have room for `count` of the map's, and outlive the call, as does `position`, which is used below.
      const result = this.#bpfLibc.bpf(COMMAND.MAP_LOOKUP_BATCH, view, 56);
      const errno = result === -1 ? this.#libc.errno() : 0;
      if (errno !== 0 && errno !== ENOENT) throw this.#failure('MAP_LOOKUP_BATCH', errno, 'map');
      take(view.getUint32(32, true));
      if (errno === ENOENT) {
        position.fill(0);
        return;
      }
    }
  }

  /** Takes the first `count` keys out, all of which are there. @throws SystemCallError */
  deleteAll(map: number, keys: Uint32Array, count: number): void {
    if (count === 0) return;
    const view = this.#clear();
    view.setBigUint64(16, addressOf(keys), true);
    view.setUint32(32, count, true);
    view.setUint32(36, map, true);
    // SAFETY: `keys` has that many of the map's keys, and outlives the call.
    if (this.#bpfLibc.bpf(COMMAND.MAP_DELETE_BATCH, view, 56) === -1) {
      throw this.#failure('MAP_DELETE_BATCH', this.#libc.errno(), 'map');
    }
  }

  /** How often the kernel did not run a program because it was running on that processor already; 0 where it does not tell. */
  missedRuns(program: number): number {
    const info = new DataView(new ArrayBuffer(PROG_INFO_SIZE));
    const view = this.#clear();
    view.setUint32(0, program, true);
    view.setUint32(4, PROG_INFO_SIZE, true);
    view.setBigUint64(8, addressOf(info), true);
    // SAFETY: the kernel writes at most the size given, and `info` is used below.
    const result = this.#bpfLibc.bpf(COMMAND.OBJ_GET_INFO_BY_FD, view, 16);
    return result === -1 ? 0 : Number(info.getBigUint64(RECURSION_MISSES, true));
  }

  close(fd: number): void {
    closeSync(fd);
  }

  /**
   * Has signals for this thread wait until the object is disposed of: one that comes while the verifier works sends it back to the start (source:
   * kernel/bpf/verifier.c, do_check), and a CPU profiler sends one every millisecond.
   */
  #blockSignals(): Disposable {
    const before = new Uint8Array(SIGNAL_SET_SIZE);
    // SAFETY: (both) each has the size of sigset_t, and is read or written during the call.
    this.#bpfLibc.setSignalMask(new Uint8Array(SIGNAL_SET_SIZE).fill(0xff), before);
    return { [Symbol.dispose]: () => void this.#bpfLibc.setSignalMask(before, null) };
  }

  #element(
    command: keyof typeof COMMAND,
    map: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    flags: number = BPF_ANY,
  ): 0 | typeof ENOENT | typeof EEXIST {
    const view = this.#clear();
    view.setUint32(0, map, true);
    view.setBigUint64(8, key === null ? 0n : addressOf(key), true);
    view.setBigUint64(16, value === null ? 0n : addressOf(value), true);
    view.setBigUint64(24, BigInt(flags), true);
    // SAFETY: `key` and `value` are the caller's, as large as the map's, and outlive the call.
    if (this.#bpfLibc.bpf(COMMAND[command], view, 32) !== -1) return 0;
    const errno = this.#libc.errno();
    if (errno === ENOENT || errno === EEXIST) return errno;
    throw this.#failure(command, errno, errno === ENOSPC ? 'map is full' : 'map');
  }

  #call(command: keyof typeof COMMAND, size: number, what: string): number {
    // SAFETY: the attributes hold no pointers here.
    const result = this.#bpfLibc.bpf(COMMAND[command], this.#attributes, size);
    if (result === -1) throw this.#failure(command, this.#libc.errno(), what);
    return result;
  }

  #failure(command: string, errno: number, what: string): SystemCallError {
    const name = errnoText(errno);
    return new SystemCallError(`bpf: BPF_${command} failed for ${what}, ${name}`, {
      request: `BPF_${command}`,
      errno,
    });
  }

  #clear(): DataView {
    new Uint8Array(this.#attributes.buffer).fill(0);
    return this.#attributes;
  }
}

function writeName(view: DataView, at: number, name: string): void {
  for (let index = 0; index < Math.min(name.length, 15); index++) {
    view.setUint8(at + index, name.charCodeAt(index));
  }
}
