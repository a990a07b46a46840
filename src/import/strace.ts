import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import type { Call, Process } from '../profile/model.ts';
import { callKey, uniteCounts, uniteErrnos, uniteTimes } from '../profile/call-union.ts';
import type { Importer } from './importer.ts';
import { finishProfile, importedCall } from './profile-draft.ts';
import { Remarks } from './remarks.ts';
import { parseStraceLine, type StraceEntry } from './strace-line.ts';
import { labelEntries } from './strace-labels.ts';
import { buildStraceTree, type StraceProcess, type StraceUses } from './strace-tree.ts';
import { decodeText } from './text-input.ts';

/** Microseconds in a day; nanoseconds in a microsecond. */
const DAY = 86_400e6;
const NS = 1000;

/**
 * Output of strace, best of `strace -f -ttt -n -o FILE`: which process made which calls, how often and with what errors.
 *
 * Arguments are not read. strace tells that a program runs in 32-bit mode on stderr only, so a process is taken for
 * one of i386 too if it made calls that only that arch has.
 */
export const STRACE_IMPORTER: Importer = {
  name: 'strace',
  description: 'output of strace -f (profile)',
  recognises: (_, text) => {
    const lines = text.split('\n', 50).filter((line) => line !== '');
    // Of every kind: where threads wait for each other, few lines are whole calls.
    const own = lines.filter((line) => parseStraceLine(line) !== null);
    return own.length > 0 && own.length * 2 > lines.length;
  },
  read: (input) => {
    const remarks = new Remarks();
    const entries: StraceEntry[] = [];
    let foreign = 0;
    for (const raw of mendLines(decodeText(input.bytes)).split('\n')) {
      if (raw === '') continue;
      const entry = parseStraceLine(raw);
      if (entry === null) foreign++;
      else entries.push(entry);
    }
    if (!entries.some(({ line }) => line.kind === 'call'))
      throw new FormatError(`${input.source}: no calls as strace prints them`);
    if (foreign > 0) remarks.add(`lines that are not strace's are left out, ${foreign}`);
    const tree = buildStraceTree(labelEntries(unwrapDays(entries)));
    const times = tree
      .flatMap(({ start, end, uses }) => [start, end, ...[...uses.values()].map(({ last }) => last)])
      .filter((time) => time !== null);
    const origin = times.reduce((least, time) => Math.min(least, time), Infinity);
    const since = (time: number | null): number | null => (time === null ? null : (time - origin) * NS);
    const duration = times.reduce((most, time) => Math.max(most, since(time)!), 0);
    if (times.length === 0) remarks.add('the log has no time stamps (strace -ttt), all processes begin at 0');
    const paths = [...new Set(tree.flatMap(({ path }) => path ?? []))];
    const index = new Map(tree.map((process, at) => [process, at]));
    const processes = tree.map((process): Process => {
      const start = since(process.start) ?? 0;
      return {
        run: 0,
        pid: process.pid,
        birth: process.birth === 'start' && process.launch === null ? 'attach' : process.birth,
        parent: process.parent === null ? null : index.get(process.parent)!,
        program: process.path === null ? null : paths.indexOf(process.path),
        argv: process.birth === 'start' || process.birth === 'exec' ? (process.argv ?? []) : null,
        start,
        end: since(process.end),
        exit: process.exit,
        threads: [...process.threads].map(([tid, { creator, start: at, end }]) => ({
          tid,
          creator,
          start: since(at) ?? 0,
          end: since(end),
        })),
        transitions: [{ phase: 0, at: start }],
        listens: [],
        calls: readCalls(process, input.arch, since, remarks),
      };
    });
    const first = tree.find(({ argv }) => argv !== null);
    return finishProfile(
      {
        command:
          first?.argv === null || first === undefined || first.argv.length === 0
            ? [input.source]
            : first.argv,
        start:
          origin > DAY * 366 && origin < Infinity ? new Date(origin / 1000).toISOString() : input.written,
        duration,
        arch: input.arch,
        programs: paths.map((path) => ({ path, buildId: null, calls: [] })),
        processes,
        incomplete: ['Read from a log of strace, which does not say whether it holds everything.'],
      },
      remarks,
    );
  },
};

/** On a terminal, the news of an attached process may stand in the middle of a line that goes on below it. */
function mendLines(text: string): string {
  return text.replace(
    /^(.+)strace: (Process [0-9]+ attached)\n(?!\[pid )(.*)$/gm,
    (_, begun: string, news: string, end: string) => `${begun}${end}\n${news}`,
  );
}

/** Times of day go on after midnight. */
function unwrapDays(entries: readonly StraceEntry[]): readonly StraceEntry[] {
  let days = 0;
  let last = 0;
  return entries.map((entry) => {
    if (entry.time === null || entry.time > DAY) return entry;
    if (entry.time < last - DAY / 2) days++;
    last = entry.time;
    return { ...entry, time: entry.time + days * DAY };
  });
}

function readCalls(
  process: StraceProcess,
  native: Arch,
  since: (time: number | null) => number | null,
  remarks: Remarks,
): readonly Call[] {
  const arch = archOf(process, native, remarks);
  const calls = new Map<string, Call>();
  const add = (call: Call): void => {
    const known = calls.get(callKey(call));
    calls.set(callKey(call), known === undefined ? call : joinCalls(known, call));
  };
  const { launch } = process;
  if (launch !== null) {
    // The launcher's is of the machine's own arch.
    const time = since(launch.time);
    const nr = syscallNumber(native, 'execve')!;
    add(importedCall(native, nr, { count: 1, first: time, last: time, launch: true }));
  }
  for (const uses of process.uses.values()) {
    const nr = numberOf(uses, arch);
    if (nr === null) {
      remarks.add(`names that ${arch} does not have are left out`, uses.name);
      continue;
    }
    add(
      importedCall(arch, nr, {
        count: uses.count,
        first: since(uses.first),
        last: since(uses.last),
        ...(uses.errnos.size === 0 ? {} : { errnos: Object.fromEntries(uses.errnos) }),
      }),
    );
  }
  return [...calls.values()];
}

/** Two names of the same number, or the launcher's execve and one of the program's own. */
function joinCalls(a: Call, b: Call): Call {
  const errnos = uniteErrnos([a, b]);
  const { arch, nr } = a;
  return importedCall(arch, nr, {
    count: uniteCounts([a, b]),
    ...uniteTimes([a, b]),
    ...(errnos === undefined ? {} : { errnos }),
  });
}

function archOf({ mode, uses }: StraceProcess, native: Arch, remarks: Remarks): Arch {
  if (mode === 'x32') return 'x32';
  if (mode === '64 bit') return native === 'i386' ? 'x86_64' : native;
  if (mode === '32 bit') return native === 'aarch64' ? 'aarch64' : 'i386';
  if (native !== 'x86_64') return native;
  const names = [...uses.values()].map(({ name }) => name);
  const only = names.filter(
    (name) => syscallNumber('x86_64', name) === null && syscallNumber('i386', name) !== null,
  );
  if (only.length === 0) return 'x86_64';
  remarks.add('processes with calls that only i386 has are taken for 32-bit ones', only[0]);
  return 'i386';
}

/** Names by which strace calls what the kernel's headers call otherwise; source: linux/i386/syscallent.h of strace. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  old_mmap: 'mmap',
  old_select: 'select',
  umount: 'umount2',
  sysctl: '_sysctl',
  pread: 'pread64',
  pwrite: 'pwrite64',
};

function numberOf({ name, nr }: StraceUses, arch: Arch): number | null {
  if (nr !== null) return arch === 'x32' ? nr & 0x3fffffff : nr;
  const number = /^syscall_(0x[0-9a-f]+|[0-9]+)$/.exec(name);
  if (number !== null) return (Number(number[1]) & (arch === 'x32' ? 0x3fffffff : 0xffffffff)) >>> 0;
  return syscallNumber(arch, name) ?? syscallNumber(arch, OTHER_NAMES[name] ?? name);
}
