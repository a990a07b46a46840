import type { Arch } from '../abi/arch.ts';
import { ORIGINS } from '../profile/call-union.ts';
import type { Call, Origin, Profile } from '../profile/model.ts';
import { callLabel, sortByLabel, type NamedCall } from '../report/call-names.ts';
import type { UseColumns } from './use-columns.ts';

/** What one process does with a call, or what a program may do with it. */
export interface Use {
  readonly call: Call;
  /** Index into `processes`; null for what a program may do. */
  readonly process: number | null;
  /** Index into `programs`, null where it is not known. */
  readonly program: number | null;
}

/** A call with what all its uses in one profile come to. */
export interface CallUses extends NamedCall {
  readonly label: string;
  /** Index of the call in the columns. */
  readonly id: number;
  /** Null if one of the uses does not count. */
  readonly count: number | null;
  readonly first: number | null;
  readonly last: number | null;
  /** Whether the last use is known of everyone who makes it or may. */
  readonly isTimed: boolean;
  readonly origins: readonly Origin[];
  /** Index into `phases` to the strongest way in which it is known there. */
  readonly phases: ReadonlyMap<number, Origin>;
  /** True if it is nothing but the execve by which a program was started. */
  readonly launch: boolean;
}

/** Every call of a profile, sorted by label. */
export function collectUses(columns: UseColumns, native: Arch): readonly CallUses[] {
  return sortByLabel(
    columns.calls.map((call, id) => unite(columns, call, id, native)),
    native,
  );
}

/** Who uses a call: processes in their order, then programs. */
export function usesOf({ processes, programs }: Profile, { arch, nr }: NamedCall): readonly Use[] {
  const find = (calls: readonly Call[]): readonly Call[] =>
    calls.filter((call) => call.nr === nr && call.arch === arch);
  return [
    ...processes.flatMap(({ calls, program }, process) =>
      find(calls).map((call) => ({ call, process, program })),
    ),
    ...programs.flatMap(({ calls }, program) =>
      find(calls).map((call) => ({ call, process: null, program })),
    ),
  ];
}

/** As `uniteCounts` and `uniteTimes` do for a list of calls. */
function unite(columns: UseColumns, { arch, nr, name }: NamedCall, id: number, native: Arch): CallUses {
  const { starts } = columns;
  const observed = ORIGINS.indexOf('observed');
  let [count, first, last] = [0, Infinity, -Infinity];
  let [isTimed, isOpen, isLaunch] = [true, false, true];
  const kinds = new Set<number>();
  let latest = -1;
  for (let use = starts[id] as number; use < (starts[id + 1] as number); use++) {
    const [from, to] = [columns.first[use] as number, columns.last[use] as number];
    const origin = columns.origin[use] as number;
    count += columns.count[use] as number;
    if (from !== -Infinity && from < first) first = from;
    if (to === Infinity) {
      isTimed = false;
      isOpen ||= from !== -Infinity || origin === observed;
    } else if (to > last) last = to;
    if (columns.launch[use] === 0) isLaunch = false;
    // Nearly all uses are of the kind of the one before.
    const kind = (columns.phases[use] as number) * ORIGINS.length + origin;
    if (kind !== latest) kinds.add(kind);
    latest = kind;
  }
  return {
    arch,
    nr,
    name,
    label: callLabel({ arch, nr, name }, native),
    id,
    count: Number.isNaN(count) ? null : count,
    first: first === Infinity ? null : first,
    last: isOpen || last === -Infinity ? null : last,
    isTimed,
    launch: isLaunch,
    ...kindsOf(kinds, columns.phaseLists),
  };
}

/** Origins, and phases with the strongest of those that they have, of kinds as `unite` counts them. */
function kindsOf(
  kinds: ReadonlySet<number>,
  lists: UseColumns['phaseLists'],
): Pick<CallUses, 'origins' | 'phases'> {
  const strongest = new Map<number, number>();
  const origins = new Set<number>();
  for (const kind of kinds) {
    const origin = kind % ORIGINS.length;
    origins.add(origin);
    for (const phase of lists[Math.floor(kind / ORIGINS.length)] ?? []) {
      strongest.set(phase, Math.min(origin, strongest.get(phase) ?? Infinity));
    }
  }
  return {
    origins: ORIGINS.filter((_, index) => origins.has(index)),
    phases: new Map([...strongest].map(([phase, origin]) => [phase, ORIGINS[origin] as Origin])),
  };
}
