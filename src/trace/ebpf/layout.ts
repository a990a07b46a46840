/**
 * What the programs and the reader share: keys and values of the maps, and events, as byte offsets. Little-endian.
 */

/** Map `tasks`: tid to this. */
export const TASK = {
  entry: 0,
  tgid: 4,
  flags: 8,
  /** Low half of the flags of the last fork or clone call. */
  cloneFlags: 12,
  /** Time at which the waiting call that it made last began; 0 if the last was none. */
  waitSince: 16,
  waitArch: 24,
  waitNr: 28,
  /** One more than the descriptor of a listen call whose outcome is still to be looked at, or 0. */
  listenFd: 32,
  /** 1 while the task is in a call that has been counted. Kept only where errors are counted. */
  counted: 36,
  listenAt: 40,
  /** Time at which the launcher began its execve. */
  launchAt: 48,
  size: 56,
} as const;

/** Bits of TASK.flags: the launcher before its exec, of which nothing is recorded; a task that ran already, and may sit in a call. */
export const TASK_LAUNCHING = 1;
export const TASK_UNSEEN = 2;

/** Most triggers `syscall:` that a trace can have. */
export const TRIGGER_CAP = 31;

/** Map `processes`: pid to this. */
export const PROCESS = { entry: 0, phase: 4, counts: 8, size: 136 } as const;

/** Key of map `calls`; a process entry has a number of its own from birth or exec to exit or the next exec. */
export const CALL_KEY = { entry: 0, arch: 4, nr: 8, size: 12 } as const;

/** Selecting arguments of a call, at most. */
export const SELECTOR_CAP = 3;

/** Value of map `calls`. */
export const CALL = {
  count: 0,
  first: 8,
  last: 16,
  waited: 24,
  phases: 32,
  tgid: 36,
  /** Bit k: selecting argument k has had more values than are kept, or one that could not be read. */
  any: 40,
  /** Number of values of each selecting argument. */
  values: 44,
  /** Bit v: the selecting argument has had the value v, which is in its map. Kept only by lean programs. */
  seen: 56,
  size: 72,
} as const;

/** Key of map `values`. */
export const VALUE_KEY = { entry: 0, arch: 4, nr: 8, which: 12, value: 16, size: 24 } as const;

/** Value of map `values`. */
export const VALUE = { first: 0, last: 8, size: 16 } as const;

/** Key of map `errors`, of which the value is a count of 64 bits. */
export const ERROR_KEY = { entry: 0, arch: 4, nr: 8, errno: 12, size: 16 } as const;

/** The only value of map `state`, which the programs write. */
export const STATE = {
  nextEntry: 0,
  /** Live processes. */
  live: 4,
  lostEvents: 8,
  lostCalls: 16,
  lostTasks: 24,
  /** Tasks that were on a processor when they were looked at, so that nobody can tell whether they sit in a call. */
  running: 32,
  /** Writes of which what could not be read at once was not remembered, for map `outputs` was full. */
  lostOutputs: 40,
  size: 48,
} as const;

/** The only value of map `control`, which callgate writes. */
export const CONTROL = {
  /** Phase that the whole tree has entered. */
  phase: 0,
  /** Process whose end is told at once. */
  root: 4,
  size: 8,
} as const;

/** Events begin with these. */
export const EVENT = { type: 0, entry: 4, time: 8, body: 16 } as const;

export const EVENT_TYPE = {
  call: 1,
  use: 2,
  value: 3,
  fork: 4,
  exec: 5,
  path: 6,
  threadEnd: 7,
  processEnd: 8,
  trigger: 9,
  listen: 10,
  output: 11,
  adopt: 12,
  signal: 13,
  cgroup: 14,
  hiddenOutput: 15,
} as const;

export type EventType = keyof typeof EVENT_TYPE;

/** A call of a process for the first time, or one of the first uses of a waiting call. */
export const CALL_EVENT = { arch: 16, nr: 20, tgid: 24, size: 32 } as const;
export const VALUE_EVENT = { arch: 16, nr: 20, which: 24, tgid: 28, value: 32, size: 40 } as const;
export const FORK_EVENT = {
  childEntry: 16,
  parentTid: 20,
  childTid: 24,
  childTgid: 28,
  cloneFlags: 32,
  exitSignal: 36,
  phase: 40,
  parentTgid: 44,
  /** Id of the child's cgroup in the v2 hierarchy; 0 where moves are not told, and for threads. */
  cgroup: 48,
  size: 56,
} as const;
export const EXEC_EVENT = {
  newEntry: 16,
  formerTid: 20,
  tgid: 24,
  argvLength: 28,
  launchAt: 32,
  inode: 40,
  fileSize: 48,
  mtimeSeconds: 56,
  mtimeNanoseconds: 64,
  argvTotal: 72,
  /** Id of the cgroup in the v2 hierarchy. */
  cgroup: 80,
  argv: 88,
} as const;
/** Names of the path of an executable from the last to the first, each ending with a zero byte. */
export const PATH_EVENT = { length: 16, kind: 20, names: 24 } as const;
/** The path is longer than what is kept. */
export const PATH_IS_CUT = 1;
/** The file was in no directory ever, as one of memfd_create(2). */
export const PATH_IS_LOOSE = 2;
export const THREAD_END_EVENT = { tid: 16, tgid: 20, exitCode: 24, size: 32 } as const;
export const PROCESS_END_EVENT = { tgid: 16, signalFlags: 20, exitCode: 24, size: 32 } as const;
export const TRIGGER_EVENT = { watch: 16, tgid: 20, size: 24 } as const;
export const LISTEN_EVENT = { family: 16, port: 18, length: 20, at: 24, path: 32, size: 144 } as const;
export const OUTPUT_EVENT = { stream: 16, length: 20, bytes: 24 } as const;
/** What of a write to a stream the programs could not read even when it had returned; fields as of {@link OUTPUT_REST}. */
export const HIDDEN_OUTPUT_EVENT = {
  stream: 16,
  isVector: 20,
  first: 24,
  tgid: 28,
  address: 32,
  length: 40,
  tid: 48,
  size: 56,
} as const;
export const ADOPT_EVENT = { tgid: 16, tid: 20, isProcess: 24, size: 32 } as const;

/**
 * Map `recent`, only of lean programs: by the low bits of a tid the task that made a call last, its process entry above its tid; 0 for none.
 * A task whose next call needs more than being counted is not in it.
 */
export const RECENT = { size: 8, slots: 32_768 } as const;

/**
 * Map `hot`, only of lean programs: counts of calls that are made often, each in one of two neighbouring slots or, if they are taken by others, in
 * map `calls` only. A key is the process entry above {@link HOT_MARK}, the value of the selecting argument plus one if there is one, and
 * the number. What is counted here is not counted in `calls`.
 */
export const HOT = { key: 0, count: 8, size: 16, slots: 32_768 } as const;

/** Keeps the low half of a key from being 0. */
export const HOT_MARK = 0x80000000;
export const HOT_VALUE_SHIFT = 10;
/** Numbers below this can be in map `hot`, and values below this. */
export const HOT_NUMBERS = 1024;
export const HOT_VALUES = 0x100000;
/** Odd numbers by which a process entry and a key are spread over the slots. */
export const HOT_FACTORS = [0x9e3779b1, 0x85ebca6b] as const;
/** Uses from which on a call gets a slot. */
export const HOT_USES = 256;

/** Bytes of argv that an exec event holds at most. */
export const ARGV_CAP = 16384;

/** Bytes of names that a path event holds at most, and names, roots of mounts included: of each the verifier takes 0.2 ms at every start. */
export const PATH_CAP = 4096;
export const NAME_CAP = 64;

/** Bytes of one write that an output event holds at most. */
export const OUTPUT_CAP = 16384;

/** Buffers of a writev that are looked at. */
export const VECTOR_CAP = 8;

/** struct iovec of a 64-bit program. */
export const IOVEC = { base: 0, length: 8, size: 16 } as const;

/** Map `outputs`, only where output is told: tid to what of a write could not be read when the call began. */
export const OUTPUT_REST = {
  stream: 0,
  /** Whether address and length are those of an array of struct iovec. */
  isVector: 4,
  /** The first buffer of an array that is not sent yet. */
  first: 8,
  address: 16,
  length: 24,
  /** When the call was made. */
  time: 32,
  size: 40,
} as const;

/** Size of the buffer in which a program puts a large event together. */
export const SCRATCH_SIZE = 20480;

/** Arches in the order of ARCHES that this machine's kernel has: x86_64, i386, x32. */
export const ARCH_COUNT = 3;

/** Numbers below this have a row in map `table`. */
export const TABLE_ROWS = 1024;

/** A row of map `table`: what is special about a call. */
export const ROW = { flags: 0, waits: 2, selectors: 4, size: 16 } as const;

export const ROW_SELECTORS = 1;
export const ROW_FORK = 2;
export const ROW_CLONE = 4;
export const ROW_CLONE3 = 8;
export const ROW_LISTEN = 0x10;
export const ROW_SOCKETCALL = 0x20;
export const ROW_TRIGGER = 0x40;
export const ROW_OUTPUT = 0x80;
export const ROW_VFORK = 0x100;
export const ROW_OUTPUT_VECTOR = 0x200;
/** One selecting argument and no more: the second, 32 bits wide. */
export const ROW_SECOND = 0x400;

/** A selecting argument in a row: bits 0 to 2 are its position, then these, then the offset of a field behind a pointer. */
export const SELECTOR_PRESENT = 0x80;
export const SELECTOR_WIDE = 0x08;
export const SELECTOR_POINTEE = 0x10;
export const SELECTOR_POINTEE_WIDE = 0x20;
export const SELECTOR_OFFSET_SHIFT = 8;

/** The terminal has sent a signal to the program that was started. */
export const SIGNAL_EVENT = { signal: 16, size: 24 } as const;

/** A process was moved to another cgroup: its id, hierarchy, and path within that, of which the zero byte counts. */
export const CGROUP_EVENT = { tgid: 16, length: 20, id: 24, hierarchy: 32, path: 40 } as const;
