import { ATTRIBUTE, FORM } from './attribute.ts';
import { OP } from './instruction.ts';
import { type MapEntry, type MapGroup, eight, operands } from './one-byte-map.ts';

/**
 * D8 to DF, from tables of the Intel manual, volume 2, with the undocumented aliases that processors
 * execute (fcom2, fxch4 and so on).
 */
export function x87Map(): MapGroup[] {
  return ROWS.map(([memory, register], index) => ({
    memory: [...memory].map((access) => MEMORY.get(access)),
    register: register.map((valid, reg) => (index === 7 && reg === 4 ? [STORE_STATUS] : registers(valid))),
  }));
}

/** `*` all eight, otherwise the valid values of rm. */
function registers(valid: string): MapEntry | (MapEntry | undefined)[] {
  if (valid === '*') return PLAIN;
  return eight(0).map((_, rm) => (valid.includes(String(rm)) ? PLAIN : undefined));
}

const PLAIN = operands(OP.OTHER, FORM.ROLES, 0);
/** fnstsw ax. */
const STORE_STATUS = operands(OP.OTHER, FORM.ROLES, 0, 0, 1);
const MEMORY: ReadonlyMap<string, MapEntry> = new Map([
  ['<', operands(OP.OTHER, FORM.ROLES, ATTRIBUTE.READS)],
  ['>', operands(OP.OTHER, FORM.ROLES, ATTRIBUTE.WRITES)],
]);

/** Access of the memory forms /0 to /7, then the valid register forms for each value of reg. */
const ROWS: readonly (readonly [string, readonly string[]])[] = [
  ['<<<<<<<<', ['*', '*', '*', '*', '*', '*', '*', '*']],
  ['<->><<>>', ['*', '*', '0', '*', '0145', '0123456', '*', '*']],
  ['<<<<<<<<', ['*', '*', '*', '*', '', '1', '', '']],
  ['<>>>-<->', ['*', '*', '*', '*', '01234', '*', '*', '']],
  ['<<<<<<<<', ['*', '*', '*', '*', '*', '*', '*', '*']],
  ['<>>><->>', ['*', '*', '*', '*', '*', '*', '', '']],
  ['<<<<<<<<', ['*', '*', '*', '1', '*', '*', '*', '*']],
  ['<>>><<>>', ['*', '*', '*', '*', '0', '*', '*', '']],
];
