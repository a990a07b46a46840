import { ARCHES, type Arch } from '../../abi/arch.ts';
import { selectingCalls, type SelectingArgument } from '../../abi/selecting-arguments.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { waitingCalls } from '../../abi/waiting-calls.ts';
import {
  ARCH_COUNT,
  ROW,
  ROW_CLONE,
  ROW_CLONE3,
  ROW_FORK,
  ROW_LISTEN,
  ROW_OUTPUT,
  ROW_OUTPUT_VECTOR,
  ROW_SECOND,
  ROW_SELECTORS,
  ROW_SOCKETCALL,
  ROW_TRIGGER,
  ROW_VFORK,
  SELECTOR_CAP,
  SELECTOR_OFFSET_SHIFT,
  SELECTOR_POINTEE,
  SELECTOR_POINTEE_WIDE,
  SELECTOR_PRESENT,
  SELECTOR_WIDE,
  TABLE_ROWS,
} from './layout.ts';
import type { CallTrigger } from './program.ts';

const FLAGS: readonly (readonly [number, readonly string[]])[] = [
  [ROW_CLONE, ['clone']],
  [ROW_CLONE3, ['clone3']],
  [ROW_FORK, ['fork']],
  [ROW_VFORK, ['vfork']],
  [ROW_LISTEN, ['listen']],
  [ROW_SOCKETCALL, ['socketcall']],
];

/** Calls that write what a terminal would show: one buffer, or several. */
const OUTPUT_FLAGS: readonly (readonly [number, readonly string[]])[] = [
  [ROW_OUTPUT, ['write', 'pwrite64', 'sendto']],
  [ROW_OUTPUT_VECTOR, ['writev', 'pwritev']],
];

/** What the programs have to know of every call, as the only value of map `table`. */
export function buildCallTable(triggers: readonly CallTrigger[], output: boolean): Uint8Array {
  const bytes = new Uint8Array(ARCH_COUNT * TABLE_ROWS * ROW.size);
  const view = new DataView(bytes.buffer);
  const add = (arch: number, nr: number, flag: number): void => {
    const at = (arch * TABLE_ROWS + nr) * ROW.size + ROW.flags;
    if (nr < TABLE_ROWS) view.setUint16(at, view.getUint16(at, true) | flag, true);
  };
  for (let arch = 0; arch < ARCH_COUNT; arch++) {
    const name = ARCHES[arch] as Arch;
    for (const nr of waitingCalls(name).keys()) {
      if (nr < TABLE_ROWS) view.setUint16((arch * TABLE_ROWS + nr) * ROW.size + ROW.waits, 1, true);
    }
    for (const [nr, args] of selectingCalls(name)) {
      if (nr >= TABLE_ROWS) continue;
      for (const [which, selector] of args.slice(0, SELECTOR_CAP).entries()) {
        const at = (arch * TABLE_ROWS + nr) * ROW.size + ROW.selectors + which * 4;
        view.setUint32(at, encodeSelector(selector), true);
      }
      if (args.length > 0) add(arch, nr, ROW_SELECTORS);
      if (isSecondAlone(args)) add(arch, nr, ROW_SECOND);
    }
    for (const [flag, names] of output ? [...FLAGS, ...OUTPUT_FLAGS] : FLAGS) {
      for (const call of names) {
        const nr = syscallNumber(name, call);
        if (nr !== null) add(arch, nr, flag);
      }
    }
  }
  for (const { numbers } of triggers) {
    for (const [arch, nr] of numbers.entries()) if (nr !== null) add(arch, nr, ROW_TRIGGER);
  }
  return bytes;
}

/** Whether what selects is the second argument alone, and 32 bits of it. */
function isSecondAlone([first, ...others]: readonly SelectingArgument[]): boolean {
  if (first === undefined || others.length > 0) return false;
  return first.index === 1 && first.bits === 32 && first.pointee === undefined;
}

function encodeSelector({ index, bits, pointee }: SelectingArgument): number {
  const base = SELECTOR_PRESENT | index;
  if (pointee === undefined) return bits === 64 ? base | SELECTOR_WIDE : base;
  const wide = pointee.bits === 64 ? SELECTOR_POINTEE_WIDE : 0;
  return base | SELECTOR_POINTEE | wide | (pointee.offset << SELECTOR_OFFSET_SHIFT);
}
