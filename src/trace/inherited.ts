import { closeSync, readFileSync } from 'node:fs';
import type { InheritedState } from './backend.ts';
import { requireProc } from './proc.ts';

/** Variable in which the `callgate` command notes what Node is about to change; programs never see it. */
export const LAUNCH_VARIABLE = 'CALLGATE_LAUNCH';

const DEFAULT_OPEN_FILES = 1024;

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
