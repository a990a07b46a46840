import type { Arch } from '../abi/arch.ts';
import { syscallName } from '../abi/syscalls.ts';
import type { Filter } from '../policy/filter/ir.ts';
import { lowerPolicy } from '../policy/lower.ts';
import type { Selection } from './selection.ts';

/** The filter of a selection, for formats that hold all of it. */
export function selectedFilter({ policy, phase, program }: Selection): Filter {
  return lowerPolicy(policy, phase.name, program);
}

/** Name of a call for printed filters. */
export function nameOrNumber(arch: Arch, nr: number): string | undefined {
  return syscallName(arch, nr) ?? undefined;
}
