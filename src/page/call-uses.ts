import { ARCHES, type Arch } from '../abi/arch.ts';
import { ORIGINS, uniteCounts, uniteTimes } from '../profile/call-union.ts';
import type { Call, Origin, Profile } from '../profile/model.ts';
import { callLabel, sortByLabel, type NamedCall } from '../report/call-names.ts';

/** What one process does with a call, or what a program may do with it. */
export interface Use {
  readonly call: Call;
  /** Index into `processes`; null for what a program may do. */
  readonly process: number | null;
  /** Index into `programs`, null where it is not known. */
  readonly program: number | null;
}

/** A call with all its uses in one profile. */
export interface CallUses extends NamedCall {
  readonly label: string;
  readonly uses: readonly Use[];
  /** Null if one of the uses does not count. */
  readonly count: number | null;
  readonly first: number | null;
  readonly last: number | null;
  readonly origins: readonly Origin[];
  /** Index into `phases` to the strongest way in which it is known there. */
  readonly phases: ReadonlyMap<number, Origin>;
  /** True if it is nothing but the execve by which a program was started. */
  readonly launch: boolean;
}

/** Number that stands for (arch, nr): text takes too long for hundreds of thousands of calls. */
export function callNumber({ arch, nr }: Pick<Call, 'arch' | 'nr'>): number {
  return ARCHES.indexOf(arch) * 2 ** 33 + nr;
}

/** Every call of a profile with its uses, sorted by label. */
export function collectUses(profile: Profile, native: Arch): readonly CallUses[] {
  const groups = new Map<number, Use[]>();
  const add = (use: Use): void => {
    const key = callNumber(use.call);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [use]);
    else group.push(use);
  };
  for (const [process, { calls, program }] of profile.processes.entries()) {
    for (const call of calls) add({ call, process, program });
  }
  for (const [program, { calls }] of profile.programs.entries()) {
    for (const call of calls) add({ call, process: null, program });
  }
  return sortByLabel(
    [...groups.values()].map((uses) => unite(uses, native)),
    native,
  );
}

function unite(uses: readonly Use[], native: Arch): CallUses {
  const calls = uses.map(({ call }) => call);
  const { arch, nr } = calls[0] as Call;
  const name = calls.find((call) => call.name !== null)?.name ?? null;
  const phases = new Map<number, Origin>();
  for (const call of calls) {
    for (const phase of call.phases) {
      const known = phases.get(phase);
      // Nothing is stronger than what is there in nearly all cases.
      if (known === 'observed' || known === call.origin) continue;
      if (known === undefined || ORIGINS.indexOf(call.origin) < ORIGINS.indexOf(known)) {
        phases.set(phase, call.origin);
      }
    }
  }
  return {
    arch,
    nr,
    name,
    label: callLabel({ arch, nr, name }, native),
    uses,
    count: uniteCounts(calls),
    ...uniteTimes(calls),
    origins: ORIGINS.filter((origin) => calls.some((call) => call.origin === origin)),
    phases,
    launch: calls.every(({ launch }) => launch === true),
  };
}
