import { textOf } from '../../base/text.ts';
import {
  ADOPT_EVENT,
  CALL_EVENT,
  CGROUP_EVENT,
  EVENT,
  EVENT_TYPE,
  EXEC_EVENT,
  FORK_EVENT,
  HIDDEN_OUTPUT_EVENT,
  LISTEN_EVENT,
  OUTPUT_EVENT,
  PATH_EVENT,
  PATH_IS_CUT,
  PATH_IS_LOOSE,
  PROCESS_END_EVENT,
  SIGNAL_EVENT,
  THREAD_END_EVENT,
  TRIGGER_EVENT,
  VALUE_EVENT,
} from './layout.ts';
import { AF_UNIX } from './listen-code.ts';

/** What the programs tell of; `entry` is the number of a process entry, `time` nanoseconds of the monotonic clock. */
export type EbpfEvent = { readonly entry: number; readonly time: bigint } & (
  | { readonly kind: 'call' | 'use'; readonly arch: number; readonly nr: number; readonly tgid: number }
  | {
      readonly kind: 'value';
      readonly arch: number;
      readonly nr: number;
      readonly which: number;
      readonly tgid: number;
      readonly value: bigint;
    }
  | {
      readonly kind: 'fork';
      readonly childEntry: number;
      readonly parentTid: number;
      readonly parentTgid: number;
      readonly childTid: number;
      readonly childTgid: number;
      readonly cloneFlags: number;
      readonly exitSignal: number;
      readonly phase: number;
      /** Id of the child's cgroup in the v2 hierarchy; 0 where moves are not told. */
      readonly cgroup: bigint;
    }
  /** Path of the executable of the exec that is told of next; null if it is longer than can be told. */
  | { readonly kind: 'path'; readonly path: string | null }
  | {
      readonly kind: 'exec';
      readonly newEntry: number;
      readonly tgid: number;
      readonly launchAt: bigint;
      readonly inode: bigint;
      readonly size: bigint;
      readonly mtimeSeconds: bigint;
      readonly mtimeNanoseconds: number;
      /** Id of the cgroup in the v2 hierarchy, which is the inode number of its directory. */
      readonly cgroup: bigint;
      /** Null if they could not be read. */
      readonly argv: readonly string[] | null;
      /** Whether there are more. */
      readonly isArgvCut: boolean;
    }
  | { readonly kind: 'threadEnd'; readonly tid: number; readonly tgid: number; readonly exitCode: number }
  | {
      readonly kind: 'processEnd';
      readonly tgid: number;
      readonly signalFlags: number;
      readonly exitCode: number;
    }
  | { readonly kind: 'trigger'; readonly watch: number; readonly tgid: number }
  | { readonly kind: 'listen'; readonly at: bigint; readonly address: string | null }
  | { readonly kind: 'output'; readonly stream: number; readonly bytes: Uint8Array }
  /** What of a write to a stream is still to be read: from one buffer, or from those of an array on. */
  | {
      readonly kind: 'hiddenOutput';
      readonly stream: number;
      readonly tgid: number;
      readonly tid: number;
      readonly isVector: boolean;
      readonly first: number;
      readonly address: bigint;
      readonly length: bigint;
    }
  | { readonly kind: 'adopt'; readonly tgid: number; readonly tid: number; readonly isProcess: boolean }
  | { readonly kind: 'signal'; readonly signal: number }
  /** A process was moved to another cgroup of one of the hierarchies. */
  | {
      readonly kind: 'cgroup';
      readonly tgid: number;
      /** As in /proc/PID/cgroup: 0 for v2. */
      readonly hierarchy: number;
      /** Inode number of its directory. */
      readonly id: bigint;
      /** Within the hierarchy. */
      readonly path: string;
    }
);

const NAMES = new Map(Object.entries(EVENT_TYPE).map(([name, type]) => [type as number, name]));

/** Longest argument and most of them that a profile has. */
const ARGUMENT_LENGTH = 4096;
export const ARGUMENT_COUNT = 256;

/** Copies an event out of the ring buffer; null for a type that is unknown. */
export function decodeEvent(data: DataView, at: number): EbpfEvent | null {
  const u32 = (offset: number): number => data.getUint32(at + offset, true);
  const u64 = (offset: number): bigint => data.getBigUint64(at + offset, true);
  const kind = NAMES.get(u32(EVENT.type)) as keyof typeof EVENT_TYPE | undefined;
  // Spelt out below: a copy of common fields costs more than all the rest, and a busy machine tells of much.
  const [entry, time] = [u32(EVENT.entry), u64(EVENT.time)];
  switch (kind) {
    case 'call':
    case 'use': {
      const [arch, nr] = [u32(CALL_EVENT.arch), u32(CALL_EVENT.nr)];
      return { entry, time, kind, arch, nr, tgid: u32(CALL_EVENT.tgid) };
    }
    case 'value':
      return {
        entry,
        time,
        kind,
        arch: u32(VALUE_EVENT.arch),
        nr: u32(VALUE_EVENT.nr),
        which: u32(VALUE_EVENT.which),
        tgid: u32(VALUE_EVENT.tgid),
        value: u64(VALUE_EVENT.value),
      };
    case 'fork':
      return {
        entry,
        time,
        kind,
        childEntry: u32(FORK_EVENT.childEntry),
        parentTid: u32(FORK_EVENT.parentTid),
        parentTgid: u32(FORK_EVENT.parentTgid),
        childTid: u32(FORK_EVENT.childTid),
        childTgid: u32(FORK_EVENT.childTgid),
        cloneFlags: u32(FORK_EVENT.cloneFlags),
        exitSignal: u32(FORK_EVENT.exitSignal),
        phase: u32(FORK_EVENT.phase),
        cgroup: u64(FORK_EVENT.cgroup),
      };
    case 'path': {
      const bytes = copy(data, at + PATH_EVENT.names, u32(PATH_EVENT.length));
      return { entry, time, kind, path: joinPath(bytes, u32(PATH_EVENT.kind)) };
    }
    case 'exec':
      return {
        entry,
        time,
        kind,
        newEntry: u32(EXEC_EVENT.newEntry),
        tgid: u32(EXEC_EVENT.tgid),
        launchAt: u64(EXEC_EVENT.launchAt),
        inode: u64(EXEC_EVENT.inode),
        size: u64(EXEC_EVENT.fileSize),
        mtimeSeconds: u64(EXEC_EVENT.mtimeSeconds),
        mtimeNanoseconds: u32(EXEC_EVENT.mtimeNanoseconds),
        cgroup: u64(EXEC_EVENT.cgroup),
        argv: decodeArgv(
          copy(data, at + EXEC_EVENT.argv, u32(EXEC_EVENT.argvLength)),
          u64(EXEC_EVENT.argvTotal),
        ),
        isArgvCut: BigInt(u32(EXEC_EVENT.argvLength)) < u64(EXEC_EVENT.argvTotal),
      };
    case 'threadEnd': {
      const [tid, tgid] = [u32(THREAD_END_EVENT.tid), u32(THREAD_END_EVENT.tgid)];
      return { entry, time, kind, tid, tgid, exitCode: u32(THREAD_END_EVENT.exitCode) };
    }
    case 'processEnd': {
      const signalFlags = u32(PROCESS_END_EVENT.signalFlags);
      const exitCode = u32(PROCESS_END_EVENT.exitCode);
      return { entry, time, kind, tgid: u32(PROCESS_END_EVENT.tgid), signalFlags, exitCode };
    }
    case 'trigger':
      return { entry, time, kind, watch: u32(TRIGGER_EVENT.watch), tgid: u32(TRIGGER_EVENT.tgid) };
    case 'listen':
      return { entry, time, kind, at: u64(LISTEN_EVENT.at), address: listenAddress(data, at) };
    case 'output': {
      const bytes = copy(data, at + OUTPUT_EVENT.bytes, u32(OUTPUT_EVENT.length));
      return { entry, time, kind, stream: u32(OUTPUT_EVENT.stream), bytes };
    }
    case 'hiddenOutput':
      return {
        entry,
        time,
        kind,
        stream: u32(HIDDEN_OUTPUT_EVENT.stream),
        tgid: u32(HIDDEN_OUTPUT_EVENT.tgid),
        tid: u32(HIDDEN_OUTPUT_EVENT.tid),
        isVector: u32(HIDDEN_OUTPUT_EVENT.isVector) !== 0,
        first: u32(HIDDEN_OUTPUT_EVENT.first),
        address: u64(HIDDEN_OUTPUT_EVENT.address),
        length: u64(HIDDEN_OUTPUT_EVENT.length),
      };
    case 'adopt': {
      const [tgid, tid] = [u32(ADOPT_EVENT.tgid), u32(ADOPT_EVENT.tid)];
      return { entry, time, kind, tgid, tid, isProcess: u32(ADOPT_EVENT.isProcess) !== 0 };
    }
    case 'signal':
      return { entry, time, kind, signal: u32(SIGNAL_EVENT.signal) };
    case 'cgroup': {
      const bytes = copy(data, at + CGROUP_EVENT.path, Math.max(0, u32(CGROUP_EVENT.length) - 1));
      return {
        entry,
        time,
        kind,
        tgid: u32(CGROUP_EVENT.tgid),
        hierarchy: u32(CGROUP_EVENT.hierarchy),
        id: u64(CGROUP_EVENT.id),
        path: textOf(bytes),
      };
    }
    case undefined:
      return null;
  }
}

function copy(data: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + at, size).slice();
}

/** The path of names from the last to the first, each ending with a zero byte, as /proc/PID/exe shows it. */
function joinPath(bytes: Uint8Array, kind: number): string | null {
  if (bytes.length === 0 || kind === PATH_IS_CUT) return null;
  const path = `/${splitAtNul(bytes).toReversed().map(textOf).join('/')}`;
  return kind === PATH_IS_LOOSE ? `${path} (deleted)` : path;
}

/** The arguments of which enough is there; null if there are some and nothing could be read. */
function decodeArgv(bytes: Uint8Array, total: bigint): string[] | null {
  if (bytes.length === 0 && total > 0n) return null;
  const parts = splitAtNul(bytes).map((part) => textOf(part).slice(0, ARGUMENT_LENGTH));
  if (bytes.at(-1) !== 0 && (parts.at(-1)?.length ?? 0) < ARGUMENT_LENGTH) parts.pop();
  return parts.slice(0, ARGUMENT_COUNT);
}

/** Strings that each end with a zero byte, the last one possibly not. */
function splitAtNul(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    const stop = end === -1 ? bytes.length : end;
    parts.push(bytes.subarray(at, stop));
    at = stop + 1;
  }
  return parts;
}

/** As /proc/net/unix shows it: `@` for the zero byte of an abstract name. */
function listenAddress(data: DataView, at: number): string | null {
  const family = data.getUint16(at + LISTEN_EVENT.family, true);
  if (family !== AF_UNIX) return `tcp:${data.getUint16(at + LISTEN_EVENT.port, true)}`;
  const length = Math.min(data.getUint32(at + LISTEN_EVENT.length, true) - SUN_PATH, PATH_SIZE);
  if (length <= 0) return null;
  const bytes = copy(data, at + LISTEN_EVENT.path, length);
  if (bytes[0] === 0) return `unix:${textOf(bytes.map((byte) => (byte === 0 ? AT_SIGN : byte)))}`;
  const end = bytes.indexOf(0);
  return `unix:${textOf(end === -1 ? bytes : bytes.subarray(0, end))}`;
}

/** Bytes of a Unix address before its path, and of the path. */
const SUN_PATH = 2;
const PATH_SIZE = 108;
const AT_SIGN = 0x40;
