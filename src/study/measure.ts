import { existsSync, readFileSync } from 'node:fs';
import type { Runner } from './workload/model.ts';

/** What a command cost. */
export interface Cost {
  /** Seconds from start to end. */
  readonly wall: number;
  /** Seconds of processor time, user and system, with all its children. */
  readonly cpu: number;
  /** Resident megabytes of the largest process, at its largest. */
  readonly peak: number;
}

/** GNU time, which Debian has in the package `time`. */
export const TIME = '/usr/bin/time';

/** Words to put before a command so that its cost is in `file` afterwards. */
export function measured(file: string): readonly string[] {
  return ['/bin/sh', '-c', KEEP_CLOSED, 'sh', TIME, '-q', '-a', '-o', file, '-f', '%e %U %S %M'];
}

/**
 * Becomes the command; descriptors 0 to 2 that are closed are so for what GNU time starts too, which would take the first of
 * them for its own file.
 */
const KEEP_CLOSED = `
open= closed=
for fd in 0 1 2; do
  [ -e /proc/$$/fd/$fd ] || { open="$open $fd>/dev/null" closed="$closed $fd>&-"; }
done
[ -n "$closed" ] || exec "$@"
time=$1 quiet=$2 append=$3 output=$4 file=$5 format=$6 line=$7
shift 7
eval 'exec "$time" "$quiet" "$append" "$output" "$file" "$format" "$line" sh -c "exec \\"\\$@\\"'"$closed"'" sh "$@"'"$open"
`;

/** The same runner, with the cost of every start in a file beside the others. */
export function measuredRunner(runner: Runner): Runner {
  return {
    ...runner,
    wrap: (output) => {
      const words = runner.wrap(output);
      return words === null ? null : [...measured(`${output}.cost`), ...words];
    },
    leaves: [...runner.leaves, '.cost'],
  };
}

/** Sums of what the files say; the peak is the largest. Null if there is nothing to read. */
export function readCosts(files: readonly string[]): Cost | null {
  const costs = files
    .filter((file) => existsSync(file))
    .flatMap((file) => parseCosts(readFileSync(file, 'utf8')));
  if (costs.length === 0) return null;
  return {
    wall: sum(costs.map(({ wall }) => wall)),
    cpu: sum(costs.map(({ cpu }) => cpu)),
    peak: Math.max(...costs.map(({ peak }) => peak)),
  };
}

/** One cost a line; other lines are what GNU time says of signals and exit codes. */
export function parseCosts(text: string): readonly Cost[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([0-9.]+) ([0-9.]+) ([0-9.]+) ([0-9]+)$/.exec(line);
    if (match === null) return [];
    const [wall = 0, user = 0, system = 0, kilobytes = 0] = match.slice(1).map(Number);
    return [{ wall, cpu: user + system, peak: kilobytes / 1024 }];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
