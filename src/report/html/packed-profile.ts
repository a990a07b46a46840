import type { Arch } from '../../abi/arch.ts';
import type { Call, Process, Profile, Program } from '../../profile/model.ts';

/**
 * A profile with its calls as packed numbers: an eighth of the size, and what a browser reads fastest.
 *
 * A tree of 500 processes with 350 calls each has 175,000 calls, of which most differ in nothing but numbers.
 */
export interface PackedProfile extends Omit<Profile, 'programs' | 'processes'> {
  /** Distinct (arch, nr, name). */
  readonly names: readonly PackedName[];
  /** Distinct lists of phases. */
  readonly phaseLists: readonly (readonly number[])[];
  readonly programs: readonly (Omit<Program, 'calls'> & { readonly calls: PackedCalls })[];
  readonly processes: readonly (Omit<Process, 'calls'> & { readonly calls: PackedCalls })[];
}

type PackedName = readonly [arch: Arch, nr: number, name: string | null];

interface PackedCalls {
  /**
   * For each call five numbers: index into `names`, count, first use, time from first to last, index into `phaseLists`. Each as
   * bytes of 7 bits, lowest first, where the highest bit says that more follow; all in base64. 0 is null, n + 1 is n.
   */
  readonly columns: string;
  /** How many calls these are. */
  readonly size: number;
  /** What else a call has, by its place. */
  readonly others: readonly (readonly [place: number, rest: OtherFields])[];
}

type OtherFields = Partial<Pick<Call, 'origin' | 'launch' | 'errnos' | 'args' | 'waits' | 'chains'>>;

/** The same profile, for `unpackProfile`. */
export function packProfile(profile: Profile): PackedProfile {
  const packer = new Packer();
  const { programs, processes, ...rest } = profile;
  return {
    ...rest,
    programs: programs.map((program) => ({ ...program, calls: packer.pack(program.calls) })),
    processes: processes.map((process) => ({ ...process, calls: packer.pack(process.calls) })),
    names: packer.names.values,
    phaseLists: packer.phaseLists.values,
  };
}

/** The profile that was packed; calls are unpacked when they are asked for, process by process. */
export function unpackProfile(packed: PackedProfile): Profile {
  const { names, phaseLists, programs, processes, ...rest } = packed;
  const unpack = (calls: PackedCalls): readonly Call[] => unpackCalls(calls, names, phaseLists);
  return {
    ...rest,
    programs: programs.map(({ calls, ...program }) => withCalls(program, () => unpack(calls))),
    processes: processes.map(({ calls, ...process }) => withCalls(process, () => unpack(calls))),
  };
}

/**
 * Goes over packed calls without making objects of them; what is null is NaN.
 *
 * @param visit gets the index into `names` and that into `phaseLists` beside the numbers
 */
export function scanCalls(
  { columns }: PackedCalls,
  visit: (name: number, count: number, first: number, last: number, phases: number) => void,
): void {
  const bytes = atob(columns);
  let at = 0;
  const next = (): number => {
    let byte = bytes.charCodeAt(at++);
    if (byte < 0x80) return byte - 1;
    let value = 0;
    let factor = 1;
    for (; byte >= 0x80; byte = bytes.charCodeAt(at++)) {
      value += (byte - 0x80) * factor;
      factor *= 0x80;
    }
    return value + byte * factor - 1;
  };
  while (at < bytes.length) {
    const name = next();
    const count = next();
    const first = next();
    const lasting = next();
    visit(
      name,
      count < 0 ? NaN : count,
      first < 0 ? NaN : first,
      lasting < 0 ? NaN : Math.max(first, 0) + lasting,
      next(),
    );
  }
}

/** Distinct values, each with the place at which it first came. */
class Distinct<Value> {
  readonly values: Value[] = [];
  readonly #places: Map<string, number> = new Map();

  place(key: string, value: () => Value): number {
    const found = this.#places.get(key);
    if (found !== undefined) return found;
    this.#places.set(key, this.values.length);
    return this.values.push(value()) - 1;
  }
}

class Packer {
  readonly names: Distinct<PackedName> = new Distinct();
  readonly phaseLists: Distinct<readonly number[]> = new Distinct();

  pack(calls: readonly Call[]): PackedCalls {
    const bytes: number[] = [];
    const others: [number, OtherFields][] = [];
    for (const [place, call] of calls.entries()) {
      const { arch, nr, name, origin, count, first, last, phases, ...rest } = call;
      pushNumber(
        bytes,
        this.names.place(`${arch} ${nr} ${name ?? ''}`, () => [arch, nr, name]),
      );
      pushNumber(bytes, count);
      pushNumber(bytes, first);
      pushNumber(bytes, last === null ? null : last - (first ?? 0));
      pushNumber(
        bytes,
        this.phaseLists.place(phases.join(), () => phases),
      );
      const other: OtherFields = origin === 'observed' ? rest : { origin, ...rest };
      if (Object.keys(other).length > 0) others.push([place, other]);
    }
    return { columns: toBase64(bytes), size: calls.length, others };
  }
}

function unpackCalls(
  packed: PackedCalls,
  names: readonly PackedName[],
  phaseLists: readonly (readonly number[])[],
): readonly Call[] {
  const calls: Call[] = [];
  scanCalls(packed, (place, count, first, last, phases) => {
    const [arch, nr, name] = names[place] as PackedName;
    calls.push({
      arch,
      nr,
      name,
      origin: 'observed',
      count: orNull(count),
      first: orNull(first),
      last: orNull(last),
      phases: phaseLists[phases] as readonly number[],
    });
  });
  for (const [place, rest] of packed.others) calls[place] = { ...(calls[place] as Call), ...rest };
  return calls;
}

/** The object with its calls, which are made at the first look. */
function withCalls<Owner extends object>(
  owner: Owner,
  make: () => readonly Call[],
): Owner & { readonly calls: readonly Call[] } {
  let made: readonly Call[] | null = null;
  return {
    ...owner,
    get calls() {
      return (made ??= make());
    },
  };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** Numbers are below 2^53 and more than 32 bits: no bit operations. */
function pushNumber(bytes: number[], value: number | null): void {
  let rest = value === null ? 0 : value + 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push(0x80 + (rest % 0x80));
  bytes.push(rest);
}

/** Piece by piece: a function takes only so many arguments. */
function toBase64(bytes: readonly number[]): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.slice(at, at + 8192));
  }
  return btoa(text);
}
