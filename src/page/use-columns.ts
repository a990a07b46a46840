import { ARCHES } from '../abi/arch.ts';
import { ORIGINS } from '../profile/call-union.ts';
import type { Call, Origin, Profile } from '../profile/model.ts';
import type { NamedCall } from '../report/call-names.ts';
import { scanCalls, type PackedProfile } from '../report/html/packed-profile.ts';

/**
 * Who uses which call, and when, as columns: a tree of 500 processes with 350 calls each has 175,000 uses, of which
 * an object each takes longer to make than all else that the page does.
 *
 * The uses of a call follow one another, those of processes in their order, then those of programs.
 */
export interface UseColumns {
  /** Distinct calls, by (arch, nr). */
  readonly calls: readonly NamedCall[];
  /** Where the uses of each call begin; a last entry says where all of them end. */
  readonly starts: Uint32Array;
  /** Index into `processes`; -1 for what a program may do. */
  readonly process: Int32Array;
  /** NaN where it is not known. */
  readonly count: Float64Array;
  /** Nanoseconds; `-Infinity` where it is not known. */
  readonly first: Float64Array;
  /** Nanoseconds; `Infinity` where it is not known. */
  readonly last: Float64Array;
  /** Index into `ORIGINS`. */
  readonly origin: Uint8Array;
  /** 1 for the execve by which a program was started. */
  readonly launch: Uint8Array;
  /** Index into `phaseLists`. */
  readonly phases: Uint32Array;
  readonly phaseLists: readonly (readonly number[])[];
}

/** Number that stands for (arch, nr): text takes too long for hundreds of thousands of calls. */
export function callNumber({ arch, nr }: Pick<Call, 'arch' | 'nr'>): number {
  return ARCHES.indexOf(arch) * 2 ** 33 + nr;
}

/** The uses of a profile. */
export function columnsOf({ processes, programs }: Profile): UseColumns {
  const draft = new Draft(sizeOf(processes) + sizeOf(programs));
  const lists = new Map<string, number>();
  const phaseLists: (readonly number[])[] = [];
  const placeOf = (phases: readonly number[]): number => {
    const key = phases.join();
    const known = lists.get(key);
    if (known !== undefined) return known;
    lists.set(key, phaseLists.length);
    return phaseLists.push(phases) - 1;
  };
  const add = (calls: readonly Call[], process: number): void => {
    for (const call of calls) {
      const { count, first, last, origin, launch } = call;
      draft.add(draft.call(call), process, count ?? NaN, first ?? NaN, last ?? NaN, placeOf(call.phases));
      if (origin !== 'observed' || launch === true) draft.mark(origin, launch === true);
    }
  };
  for (const [index, { calls }] of processes.entries()) add(calls, index);
  for (const { calls } of programs) add(calls, -1);
  return draft.finish(phaseLists);
}

/** The same of a profile that is packed, which need not be unpacked for it. */
export function columnsOfPacked({ processes, programs, names, phaseLists }: PackedProfile): UseColumns {
  const owners = [...processes, ...programs];
  const draft = new Draft(owners.reduce((sum, { calls }) => sum + calls.size, 0));
  const ids: number[] = [];
  const idOf = (place: number): number => {
    const [arch, nr, name] = names[place] as PackedProfile['names'][number];
    return (ids[place] = draft.call({ arch, nr, name }));
  };
  const add = (calls: PackedProfile['programs'][number]['calls'], process: number): void => {
    const others = new Map(calls.others);
    let place = 0;
    scanCalls(calls, (name, count, first, last, phases) => {
      draft.add(ids[name] ?? idOf(name), process, count, first, last, phases);
      const other = others.size === 0 ? undefined : others.get(place);
      if (other !== undefined) draft.mark(other.origin ?? 'observed', other.launch === true);
      place++;
    });
  };
  for (const [index, { calls }] of processes.entries()) add(calls, index);
  for (const { calls } of programs) add(calls, -1);
  return draft.finish(phaseLists);
}

function sizeOf(owners: readonly { readonly calls: readonly Call[] }[]): number {
  return owners.reduce((sum, { calls }) => sum + calls.length, 0);
}

/** Uses in the order in which they are found. */
class Draft {
  readonly #calls: { readonly arch: NamedCall['arch']; readonly nr: number; name: string | null }[] = [];
  readonly #ids: Map<number, number> = new Map();
  #size = 0;
  readonly #call: Uint32Array;
  readonly #found: Omit<UseColumns, 'calls' | 'starts' | 'phaseLists'>;

  constructor(size: number) {
    this.#call = new Uint32Array(size);
    this.#found = emptyColumns(size);
  }

  /** Index of a call; the first name that is given stays. */
  call({ arch, nr, name }: NamedCall): number {
    const key = callNumber({ arch, nr });
    const known = this.#ids.get(key);
    const call = known === undefined ? undefined : this.#calls[known];
    if (known !== undefined && call !== undefined) {
      call.name ??= name;
      return known;
    }
    this.#ids.set(key, this.#calls.length);
    return this.#calls.push({ arch, nr, name }) - 1;
  }

  /** Adds an observed use; NaN is what is not known. */
  add(call: number, process: number, count: number, first: number, last: number, phases: number): void {
    const use = this.#size++;
    const found = this.#found;
    this.#call[use] = call;
    found.process[use] = process;
    found.count[use] = count;
    found.first[use] = Number.isNaN(first) ? -Infinity : first;
    found.last[use] = Number.isNaN(last) ? Infinity : last;
    found.phases[use] = phases;
  }

  /** Says of the latest use what most are not. */
  mark(origin: Origin, launch: boolean): void {
    this.#found.origin[this.#size - 1] = ORIGINS.indexOf(origin);
    this.#found.launch[this.#size - 1] = launch ? 1 : 0;
  }

  /** Sorts the uses by call; those of one call keep their order. */
  finish(phaseLists: UseColumns['phaseLists']): UseColumns {
    const starts = new Uint32Array(this.#calls.length + 1);
    for (const call of this.#call) starts[call + 1] = (starts[call + 1] as number) + 1;
    for (let id = 0; id < this.#calls.length; id++) {
      starts[id + 1] = (starts[id + 1] as number) + (starts[id] as number);
    }
    const free = starts.slice();
    const order = this.#call.map((call) => {
      const place = free[call] as number;
      free[call] = place + 1;
      return place;
    });
    const { process, count, first, last, origin, launch, phases } = this.#found;
    return {
      calls: this.#calls,
      starts,
      process: permute(process, new Int32Array(this.#size), order),
      count: permute(count, new Float64Array(this.#size), order),
      first: permute(first, new Float64Array(this.#size), order),
      last: permute(last, new Float64Array(this.#size), order),
      origin: permute(origin, new Uint8Array(this.#size), order),
      launch: permute(launch, new Uint8Array(this.#size), order),
      phases: permute(phases, new Uint32Array(this.#size), order),
      phaseLists,
    };
  }
}

function emptyColumns(size: number): Omit<UseColumns, 'calls' | 'starts' | 'phaseLists'> {
  return {
    process: new Int32Array(size),
    count: new Float64Array(size),
    first: new Float64Array(size),
    last: new Float64Array(size),
    origin: new Uint8Array(size).fill(ORIGINS.indexOf('observed')),
    launch: new Uint8Array(size),
    phases: new Uint32Array(size),
  };
}

/** Puts each value where `order` says. */
function permute<Column extends Int32Array | Float64Array | Uint8Array | Uint32Array>(
  from: Column,
  to: Column,
  order: Uint32Array,
): Column {
  for (let index = 0; index < order.length; index++) to[order[index] as number] = from[index] as number;
  return to;
}
