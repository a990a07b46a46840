import type { Watch } from '../watches.ts';

/** A breakpoint that is in place. */
export interface Breakpoint {
  readonly address: number;
  /** The byte that the breakpoint replaced. */
  readonly original: number;
  readonly watches: readonly Watch[];
}

/** Breakpoints of one memory: shared by threads and vfork children, copied by fork, dropped by exec. */
export interface AddressSpace {
  readonly breakpoints: Map<number, Breakpoint>;
  /** Address and original byte of breakpoints that were taken out: another thread may have hit one before that. */
  readonly removed: Map<number, number>;
  /** Watches that have their breakpoint, or had it. */
  readonly placed: Set<Watch>;
  /** Addresses where a task steps over the instruction that the breakpoint replaces. */
  readonly stepped: Set<number>;
}

/** A memory without breakpoints. */
export function newAddressSpace(): AddressSpace {
  return { breakpoints: new Map(), removed: new Map(), placed: new Set(), stepped: new Set() };
}

/** What a fork's child gets. */
export function copyAddressSpace(space: AddressSpace): AddressSpace {
  return {
    breakpoints: new Map(space.breakpoints),
    removed: new Map(space.removed),
    placed: new Set(space.placed),
    stepped: new Set(),
  };
}
