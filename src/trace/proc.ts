import { closeSync, openSync, readFileSync, readlinkSync, readdirSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UnsupportedError } from '../base/errors.ts';
import { textOf } from '../base/text.ts';

/** Fields of /proc/PID/status by name, or null if the process is gone or hidden. */
export function readStatus(pid: number | 'self'): Map<string, string> | null {
  try {
    const lines = readSmall(`/proc/${pid}/status`).toString('latin1').split('\n');
    return new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
    );
  } catch {
    return null;
  }
}

/**
 * Nearly all that is known of a process comes from /proc, by its pid.
 *
 * @throws UnsupportedError if it is not there, or shows the pids of another namespace
 */
export function requireProc(who: 'trace' | 'run'): void {
  let self: string | null = null;
  try {
    self = readlinkSync('/proc/self');
  } catch {
    // It is not mounted.
  }
  if (self === `${process.pid}`) return;
  const what = self === null ? 'is not there' : 'is that of another pid namespace';
  throw new UnsupportedError(
    `${who}: /proc ${what}, so processes cannot be looked at (mount -t proc proc /proc; unshare does it with --mount-proc)`,
    { feature: '/proc' },
  );
}

/** Some of the numbers in /proc/PID/stat (proc(5)), or null if the process is gone. */
export interface ProcessStat {
  /** PF_* of include/linux/sched.h. */
  readonly flags: number;
  /** When the process was made, in clock ticks after the start of the machine. With the pid it names a process. */
  readonly startTime: number;
}

export function readStat(pid: number): ProcessStat | null {
  try {
    const text = readSmall(`/proc/${pid}/stat`).toString('latin1');
    // The name of the program before them may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { flags: Number(fields[6]), startTime: Number(fields[19]) };
  } catch {
    return null;
  }
}

/** argv of a process, at most 256 strings of 4096 characters; empty if it is gone. */
export function readArgv(pid: number): string[] {
  try {
    const bytes = readSmall(`/proc/${pid}/cmdline`);
    const parts: string[] = [];
    for (let at = 0; at < bytes.length && parts.length < 256;) {
      const end = bytes.indexOf(0, at);
      const stop = end === -1 ? bytes.length : end;
      parts.push(textOf(bytes.subarray(at, stop)).slice(0, 4096));
      at = stop + 1;
    }
    return parts;
  } catch {
    return [];
  }
}

/** What a file of /proc holds, which is mostly little: readFileSync takes three times as long for it. */
function readSmall(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    let bytes = Buffer.allocUnsafe(2048);
    for (let length = 0; ;) {
      const count = readSync(fd, bytes, length, bytes.length - length, null);
      length += count;
      if (count === 0) return bytes.subarray(0, length);
      if (length === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(length)]);
    }
  } finally {
    closeSync(fd);
  }
}

/** Resolved path of the executable, or null if it cannot be read. */
export function readExecutable(pid: number): string | null {
  try {
    return textOf(readlinkSync(`/proc/${pid}/exe`, { encoding: 'buffer' }));
  } catch {
    return null;
  }
}

/** Effective capabilities of this process, as a mask (abi/capabilities.ts); none where /proc does not tell. */
export function ownCapabilities(): bigint {
  const effective = readStatus('self')?.get('CapEff');
  return effective === undefined ? 0n : BigInt(`0x${effective}`);
}

/** Whether an error of a file below /proc says that its task is no more. Whoever may not look gets another. */
export function isOfGoneTask(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}

/** The process that a thread belongs to; the number itself where /proc has none. */
export function processOf(tid: number): number {
  return Number(readStatus(tid)?.get('Tgid') ?? tid);
}

/** Whether a thread has ended, and is there only until it is waited for. */
export function hasEnded(tid: number): boolean {
  return /^[ZX]/.test(readStatus(tid)?.get('State') ?? 'X');
}

/** Whether a thread of this process traces a thread. */
export function isTracedByUs(tid: number): boolean {
  const tracer = Number(readStatus(tid)?.get('TracerPid') ?? 0);
  return tracer !== 0 && listThreads(process.pid).includes(tracer);
}

/** Thread ids of a process, ascending; empty if it is gone. */
export function listThreads(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** Whether `tid` is a thread of `pid` other than its leader. */
export function isThreadOf(pid: number, tid: number): boolean {
  try {
    statSync(`/proc/${pid}/task/${tid}`);
    return tid !== pid;
  } catch {
    return false;
  }
}

/** Identity of the file behind a descriptor of a task, or null: the same for all duplicates of it. A process whose first thread has ended has none under its pid. */
export function fileIdentity(tid: number, fd: number): string | null {
  try {
    const { dev, ino } = statSync(`/proc/${tid}/fd/${fd}`, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Address on which a socket listens, as the profile writes it (`tcp:PORT`, `unix:PATH`), or null for other sockets. A path that was
 * bound to relatively is taken from where the process is now.
 *
 * Source of the columns: proc(5), /proc/net/tcp and /proc/net/unix.
 */
export function listenAddress(pid: number, fd: number): string | null {
  let inode: string;
  try {
    inode = /^socket:\[([0-9]+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '';
  } catch {
    return null;
  }
  if (inode === '') return null;
  for (const table of ['tcp', 'tcp6']) {
    for (const line of netTable(pid, table)) {
      const columns = line.trim().split(/\s+/);
      if (columns[9] !== inode) continue;
      const port = parseInt((columns[1] as string).split(':')[1] as string, 16);
      return `tcp:${port}`;
    }
  }
  for (const line of netTable(pid, 'unix')) {
    const match = /^\S+ \S+ \S+ \S+ \S+ \S+ +([0-9]+)(?: (.*))?$/.exec(line);
    if (match?.[1] === inode) return match[2] === undefined ? null : absoluteAddress(pid, `unix:${match[2]}`);
  }
  return null;
}

/** A listening address whose path, if it is relative, has been resolved against the directory of a process. */
export function absoluteAddress(pid: number, address: string): string {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : '/';
  if (path.startsWith('/') || path.startsWith('@')) return address;
  try {
    return `unix:${resolve(textOf(readlinkSync(`/proc/${pid}/cwd`, { encoding: 'buffer' })), path)}`;
  } catch {
    return address;
  }
}

function netTable(pid: number, table: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

/** A file-backed mapping of a process. */
export interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly executable: boolean;
  /** Offset into the file, bytes. */
  readonly offset: number;
  readonly path: string;
}

/** File-backed mappings in order of address, and the vDSO as `[vdso]` if wanted; empty if the process is gone. */
export function readMappings(pid: number, withVdso = false): Mapping[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/maps`, 'utf8');
  } catch {
    return [];
  }
  const mappings: Mapping[] = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ [0-9]+ +(\/.*|\[vdso\])$/.exec(line);
    if (match === null || (match[5] === '[vdso]' && !withVdso)) continue;
    mappings.push({
      start: parseInt(match[1] as string, 16),
      end: parseInt(match[2] as string, 16),
      executable: (match[3] as string)[2] === 'x',
      offset: parseInt(match[4] as string, 16),
      path: match[5] as string,
    });
  }
  return mappings;
}

/** Start and end of the vDSO and of all executable mappings of a process, the vDSO first; empty if it is gone. */
export function listExecutableRegions(pid: number): { readonly start: number; readonly end: number }[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/maps`, 'latin1');
  } catch {
    return [];
  }
  const regions: { start: number; end: number; vdso: boolean }[] = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r.x. /.exec(line);
    // The vsyscall page is executable but cannot be read.
    if (match === null || line.endsWith('[vsyscall]')) continue;
    const start = parseInt(match[1] as string, 16);
    const end = parseInt(match[2] as string, 16);
    regions.push({ start, end, vdso: line.endsWith('[vdso]') });
  }
  return regions.sort((a, b) => Number(b.vdso) - Number(a.vdso));
}

/** Identity of the root directory of a process, or an empty string if it is gone. */
export function rootIdentity(pid: number): string {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/root/`, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}
