import { closeSync, readFileSync, readlinkSync } from 'node:fs';
import { textOf } from '../base/text.ts';
import type { InheritedState } from './backend.ts';
import { requireProc } from './proc.ts';

/** Variable in which the `callgate` command notes what Node is about to change; programs never see it. */
export const LAUNCH_VARIABLE = 'CALLGATE_LAUNCH';

const DEFAULT_OPEN_FILES = 1024;

/** What Node has in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/**
 * What a program started from here is to inherit.
 *
 * Exact when the `callgate` command noted it. In a library the original values are gone: no signal is ignored or
 * blocked, the soft limit of open files is that of the parent process, or 1024 where that cannot be read, and the three standard
 * descriptors block.
 */
export function inheritedState(note: string | undefined): InheritedState {
  const match =
    /^ignored=([0-9a-f]+) blocked=([0-9a-f]+) nofile=([0-9]+|unlimited) fds=([0-9,]*)(?: closed=([0-9,]*))?(?: env=[0-9]+)?$/.exec(
      note ?? '',
    );
  if (match === null) {
    return {
      ignoredSignals: 0n,
      blockedSignals: 0n,
      openFiles: parentOpenFiles(),
      descriptors: [],
      closed: [],
      blocks: true,
    };
  }
  const openFiles = Number(match[3]);
  return {
    ignoredSignals: BigInt(`0x${match[1]}`),
    blockedSignals: BigInt(`0x${match[2]}`),
    openFiles: Number.isNaN(openFiles) ? null : openFiles,
    descriptors: numbers(match[4]),
    closed: numbers(match[5]),
    blocks: false,
  };
}

function numbers(list: string | undefined): number[] {
  return (list ?? '').split(',').filter(Boolean).map(Number);
}

/**
 * The environment of this process: bytes that are not UTF-8, duplicates and order intact.
 *
 * A shell drops entries that it does not understand, so the `callgate` command passes what it got itself, the number of entries and then one a line, a
 * newline in it as `\n` and a backslash as `\\`, through a descriptor that it names in its note and that is read and closed here.
 */
export function rawEnvironment(): Uint8Array[] {
  const prefix = Buffer.from(`${LAUNCH_VARIABLE}=`);
  return (notedEnvironment() ?? splitAtNul(readFileSync('/proc/self/environ'))).filter(
    (entry) => !Buffer.from(entry.subarray(0, prefix.length)).equals(prefix),
  );
}

function notedEnvironment(): Uint8Array[] | null {
  const fd = / env=([0-9]+)$/.exec(process.env[LAUNCH_VARIABLE] ?? '')?.[1];
  if (fd === undefined) return null;
  try {
    const [count, ...lines] = readFileSync(Number(fd), 'latin1').split('\n');
    return lines.slice(0, Number(count)).map((line) =>
      Buffer.from(
        line.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped)),
        'latin1',
      ),
    );
  } finally {
    closeSync(Number(fd));
  }
}

/** The last `count` arguments of this process as bytes, which may not be UTF-8. */
export function rawArguments(count: number, who: 'trace' | 'run'): Uint8Array[] {
  requireProc(who);
  return count === 0 ? [] : splitAtNul(readFileSync('/proc/self/cmdline')).slice(-count);
}

/**
 * The first argument of this process that Node could not take as it is, for its bytes are not UTF-8, with those written as `\xHH`.
 *
 * @param args the arguments as Node has them, the last ones of the command line
 * @param own how many of the last ones are not callgate's
 */
export function spoiltArgument(args: readonly string[], own: number): string | null {
  if (!args.some((text) => text.includes(REPLACEMENT))) return null;
  const raw = splitAtNul(readFileSync('/proc/self/cmdline')).slice(-args.length);
  const callgates = raw.slice(0, raw.length - own).map(textOf);
  return callgates.find((text, index) => text !== args[index]) ?? null;
}

/** The working directory if its bytes are not UTF-8, with those written as `\xHH`; else null, also if it was removed. */
export function spoiltDirectory(): string | null {
  let known: string;
  try {
    known = process.cwd();
  } catch {
    return null;
  }
  if (!known.includes(REPLACEMENT)) return null;
  const raw = textOf(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }));
  return raw === known ? null : raw;
}

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

function parentOpenFiles(): number {
  try {
    const limits = readFileSync(`/proc/${process.ppid}/limits`, 'latin1');
    const soft = /^Max open files\s+([0-9]+)/m.exec(limits)?.[1];
    return soft === undefined ? DEFAULT_OPEN_FILES : Number(soft);
  } catch {
    return DEFAULT_OPEN_FILES;
  }
}
