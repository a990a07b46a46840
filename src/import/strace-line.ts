/** What a line of strace says. */
export type StraceLine =
  | {
      readonly kind: 'call';
      /** A name, or `syscall_0x...` for a number without one. */
      readonly name: string;
      /** With `strace -n`. */
      readonly nr: number | null;
      /** What stands between the brackets; up to where it was interrupted for an unfinished one. */
      readonly args: string;
      /** Null for an unfinished one. */
      readonly result: StraceResult | null;
    }
  | { readonly kind: 'resumed'; readonly name: string; readonly result: StraceResult | null }
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string; readonly core: boolean }
  | { readonly kind: 'attached'; readonly pid: number }
  | { readonly kind: 'mode'; readonly pid: number; readonly mode: '32 bit' | '64 bit' | 'x32' }
  | { readonly kind: 'signal' }
  /** With `strace -k`: a frame of the stack of the call before it. */
  | { readonly kind: 'frame' };

/** The result of a call. */
export interface StraceResult {
  /** Null for `?`. */
  readonly value: bigint | null;
  /** Name of the error, or null. */
  readonly errno: string | null;
}

/** A line with what stands before it. */
export interface StraceEntry {
  /** Null in a log of a single process. */
  readonly pid: number | null;
  /** Microseconds, of the day or since 1970; null without time stamps. */
  readonly time: number | null;
  readonly line: StraceLine;
}

/**
 * Reads one line of strace's output, with or without -f, -t, -tt, -ttt, -r, -i, -n, -k, -T, -Y, written to a file or to a terminal.
 *
 * @returns null for a line that is none of strace's
 */
export function parseStraceLine(raw: string): StraceEntry | null {
  if (/^ > .*\[0x[0-9a-f]+\]$/.test(raw)) return { pid: null, time: null, line: { kind: 'frame' } };
  // Behind a pid may stand the name of the process's program.
  const match =
    /^(?:\[pid +([0-9]+)(?:<[^>]*>)?\] +|([0-9]+)(?:<[^>]*>)? +(?=[0-9<+\-[a-z_(?]))?(?:([0-9]{2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]+)?) +|([0-9]+\.[0-9]+) +)?(?:\( *[+-] *[0-9.]+\) +)?(?:\[[0-9a-f?]{8,16}\] +)?(?:\[ *([0-9]{1,7})\] +)?(?:\[[0-9a-f?]{8,16}\] +)?(.*)$/.exec(
      raw.replace(/^strace: /, ''),
    );
  if (match === null) return null;
  const [, bracketed, plain, hours, minutes, seconds, stamp, nr, rest = ''] = match;
  const line = parseRest(rest, nr === undefined ? null : Number(nr));
  if (line === null) return null;
  const pid = bracketed ?? plain;
  // Smaller numbers are the differences of -r, which say nothing if the log is of several processes.
  const epoch = stamp === undefined || Number(stamp) < 1e8 ? null : microseconds(stamp);
  const time =
    hours === undefined
      ? epoch
      : (Number(hours) * 3600 + Number(minutes) * 60) * 1e6 + microseconds(seconds ?? '0');
  return { pid: pid === undefined ? null : Number(pid), time, line };
}

/** Exact, unlike a product: seconds since 1970 with a fraction do not fit into a number of seconds. */
function microseconds(text: string): number {
  const [whole = '0', fraction = ''] = text.split('.');
  return Number(whole) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

function parseRest(rest: string, nr: number | null): StraceLine | null {
  const exited = /^\+\+\+ exited with ([0-9]+) \+\+\+$/.exec(rest);
  if (exited !== null) return { kind: 'exited', code: Number(exited[1]) };
  const killed = /^\+\+\+ killed by (SIG[A-Z0-9_+-]+)( \(core dumped\))? \+\+\+$/.exec(rest);
  if (killed !== null) return { kind: 'killed', signal: killed[1]!, core: killed[2] !== undefined };
  if (/^(---|\+\+\+) .* (---|\+\+\+)$/.test(rest)) return { kind: 'signal' };
  const attached = /^Process ([0-9]+)(?:<[^>]*>)? attached/.exec(rest);
  if (attached !== null) return { kind: 'attached', pid: Number(attached[1]) };
  const mode = /^\[ Process PID=([0-9]+)(?:<[^>]*>)? runs in (32 bit|64 bit|x32) mode\. \]$/.exec(rest);
  if (mode !== null)
    return { kind: 'mode', pid: Number(mode[1]), mode: mode[2] as '32 bit' | '64 bit' | 'x32' };
  const resumed = /^<\.\.\. ([a-z0-9_]+) resumed>(.*)$/i.exec(rest);
  if (resumed !== null) return { kind: 'resumed', name: resumed[1]!, result: parseResult(resumed[2]!) };
  const call = /^([a-z_][a-z0-9_]*)\((.*)$/i.exec(rest);
  if (call === null) return null;
  const [, name = '', tail = ''] = call;
  const result = parseResult(tail);
  // Neither finished nor known to go on: another program's line.
  if (result === null && !/<unfinished \.\.\.>$|<detached \.\.\.>$|<ptrace\(SYSCALL\):/.test(tail))
    return null;
  return { kind: 'call', name, nr, args: tail, result };
}

function parseResult(tail: string): StraceResult | null {
  // The last one: a string among the arguments may look like a result.
  const match = /^.*\) += (-?[0-9]+|0x[0-9a-f]+|\?)(?:<[^>]*>)?(?: ([A-Z][A-Z0-9_]+)\b)?(?: .*)?$/.exec(tail);
  if (match === null) return null;
  const [, value = '?', errno] = match;
  if (value === '?') return { value: null, errno: null };
  return { value: BigInt(value), errno: value === '-1' ? (errno ?? null) : null };
}
