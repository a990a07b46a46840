import type { Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import type { Run } from '../profile/model.ts';
import type { KernelRange } from './model.ts';

/** Major and minor number of a kernel release such as `6.1.0-18-amd64`, or null. */
export function parseRelease(release: string): readonly [number, number] | null {
  const match = /^([0-9]{1,4})\.([0-9]{1,4})(?![0-9])/.exec(release);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/** Negative if `a` is older than `b`; releases that cannot be read count as newest. */
export function compareReleases(a: string, b: string): number {
  const [left, right] = [parseRelease(a), parseRelease(b)];
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  return left[0] - right[0] || left[1] - right[1];
}

/** `4.14..6.12`, both included, `6.1` for one release; null for anything else. */
export function parseRange(text: string): KernelRange | null {
  const [, from = '', , to = from] = /^([0-9.]+?)(\.\.([0-9.]+))?$/.exec(text) ?? [];
  if (!/^[0-9]{1,4}\.[0-9]{1,4}$/.test(from) || !/^[0-9]{1,4}\.[0-9]{1,4}$/.test(to)) return null;
  return compareReleases(from, to) > 0 ? null : { from, to };
}

/**
 * As `parseRange`, for what a person has given.
 *
 * @throws UsageError if it is no range
 */
export function requireRange(text: string): KernelRange {
  const range = parseRange(text);
  if (range !== null) return range;
  throw new UsageError(
    `policy: not a range of kernels, ${JSON.stringify(text)} (FROM..TO, such as 5.10..6.12)`,
  );
}

/** The range as `parseRange` reads it. */
export function formatRange({ from, to }: KernelRange): string {
  return `${from}..${to}`;
}

/** Highest number of `arch` that a kernel of this release has; of all that callgate knows if it cannot be read. */
export function newestNumber(arch: Arch, release: string): number {
  let newest = 0;
  for (const { nr, since } of syscalls(arch)) {
    if (since !== null && compareReleases(since, release) <= 0) newest = Math.max(newest, nr);
  }
  return newest;
}

/** Highest number of `arch` that the newest kernel of some runs has: what it has and no run used is known, and not needed. */
export function newestOfRuns(arch: Arch, runs: readonly Run[]): number {
  const releases = runs.length === 0 ? [''] : runs.map(({ host }) => host.kernel);
  return Math.max(...releases.map((release) => newestNumber(arch, release)));
}
