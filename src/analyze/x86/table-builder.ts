import { ATTRIBUTE, DETAIL, IMM, MAP, ROLE, type Tables } from './attribute.ts';
import { type EncodingRow, parseRow } from './encoding-row.ts';
import { ENCODINGS } from './generated/encodings.ts';
import { type MapEntry, type MapGroup, oneByteMap } from './one-byte-map.ts';
import { describeOperations } from './operations.ts';
import { x87Map } from './x87-map.ts';

/** Builds the tables; some milliseconds. */
export function buildTables(): Tables {
  const builder = new Builder();
  for (const [opcode, found] of oneByteMap()) builder.add(opcode, found);
  x87Map().forEach((found, index) => {
    builder.add(0xd8 + index, found);
  });
  for (const line of ENCODINGS.split('\n')) if (line !== '') builder.addRow(parseRow(line));
  builder.addControlMoves();
  const isa3DNow = ATTRIBUTE.VALID | ATTRIBUTE.MODRM | ATTRIBUTE.READS | IMM.BYTE;
  builder.add(MAP.NOW_3D, { attributes: isa3DNow, reads: 0, writes: 0, roles: ROLE.VECTOR });
  describeOperations(builder.tables, (entry, visit) => {
    builder.visit(entry, visit);
  });
  return builder.tables;
}

/** Entries with all that they split into; a few are spare. */
const CAPACITY = 18_432;

class Builder {
  readonly tables: Tables = {
    attributes: new Uint32Array(CAPACITY),
    details: new Uint32Array(CAPACITY * 2),
    roles: new Uint8Array(CAPACITY),
    reads: new Uint16Array(CAPACITY),
    writes: new Uint16Array(CAPACITY),
    widths: new Uint8Array(CAPACITY),
  };
  private next: number = MAP.SPLITS;

  add(opcode: number, found: MapEntry | MapGroup): void {
    if ('attributes' in found) {
      this.set(opcode, found);
      return;
    }
    const { memory, register } = found;
    const sides = memory === register ? opcode : this.split(opcode, ATTRIBUTE.BY_MOD);
    this.addList(sides, ATTRIBUTE.BY_REG, memory);
    if (memory !== register) this.addList(sides + 1, ATTRIBUTE.BY_REG, register);
  }

  /** Enters a line of `generated/encodings.ts` wherever it applies. */
  addRow(row: EncodingRow): void {
    const [side = ''] = row.form;
    const [regs = '', rm] = row.form.slice(1).split('.');
    for (const entry of row.entries) {
      if (row.form === '**') {
        this.setRow(entry, row, true, true);
        continue;
      }
      const sides = this.split(entry, ATTRIBUTE.BY_MOD);
      if (side !== 'r') this.setRegs(sides, regs, undefined, row, true, false);
      if (side !== 'm') this.setRegs(sides + 1, regs, rm, row, side === 'r', true);
    }
  }

  /** Moves from and to control registers 0, 2, 3, 4 and 8, and debug registers 0 to 7. */
  addControlMoves(): void {
    const attributes =
      ATTRIBUTE.VALID | ATTRIBUTE.MODRM | ATTRIBUTE.IGNORE_MOD | ATTRIBUTE.DEFAULT_64 | ATTRIBUTE.DETAIL;
    for (const [opcode, roles, valid] of CONTROL_MOVES) {
      const list = REGS.map((reg) =>
        valid.includes(reg) ? { attributes, reads: 0, writes: 0, roles } : undefined,
      );
      for (const entry of [0, 256, 512, 768].map((prefix) => MAP.LEGACY_0F + prefix + opcode)) {
        const base = this.addList(entry, ATTRIBUTE.BY_REG, list);
        for (const reg of valid) {
          // cr8 is encoded as 0 with REX.R; no other number has one.
          const detail = 1 | (reg === 0 && valid.length < 8 ? 0 : DETAIL.REG_BELOW_8);
          this.tables.details.fill(detail, (base + reg) * 2, (base + reg) * 2 + 2);
        }
      }
    }
  }

  /** Calls back for the entry, or for all that it splits into. */
  visit(entry: number, visit: (entry: number) => void): void {
    const attributes = this.tables.attributes[entry] ?? 0;
    const split = attributes & ATTRIBUTE.SPLIT;
    if (split === 0) {
      if (attributes !== 0) visit(entry);
      return;
    }
    const base = attributes >>> 16;
    for (let index = 0; index < sizeOf(split); index++) this.visit(base + index, visit);
  }

  private addList(entry: number, kind: number, list: MapGroup['register']): number {
    const base = this.split(entry, kind);
    list.forEach((found, index) => {
      if (found === undefined) return;
      if ('attributes' in found) this.set(base + index, found);
      else this.addList(base + index, ATTRIBUTE.BY_RM, found);
    });
    return base;
  }

  private set(entry: number, found: MapEntry): void {
    this.tables.attributes[entry] = found.attributes;
    this.tables.reads[entry] = found.reads;
    this.tables.writes[entry] = found.writes;
    this.tables.roles[entry] = found.roles ?? 0;
  }

  /** Makes an entry split, if it is not yet, and returns the number of the first member; all begin as it was. */
  private split(entry: number, kind: number): number {
    const { attributes, details, roles, reads, writes } = this.tables;
    const present = attributes[entry] ?? 0;
    if ((present & ATTRIBUTE.SPLIT) === kind) return present >>> 16;
    const base = this.next;
    this.next += sizeOf(kind);
    if (this.next > CAPACITY) throw new Error(`x86: tables need more than ${String(CAPACITY)} entries`);
    if (present !== 0) {
      for (let member = base; member < this.next; member++) {
        attributes[member] = present;
        details.copyWithin(member * 2, entry * 2, entry * 2 + 2);
        roles[member] = roles[entry] ?? 0;
        reads[member] = reads[entry] ?? 0;
        writes[member] = writes[entry] ?? 0;
      }
    }
    attributes[entry] = ATTRIBUTE.VALID | ATTRIBUTE.MODRM | kind | (base << 16);
    return base;
  }

  private setRegs(
    entry: number,
    regs: string,
    rm: string | undefined,
    row: EncodingRow,
    memory: boolean,
    register: boolean,
  ): void {
    if (regs === '*' && rm === undefined) {
      this.visitOrSelf(entry, (member) => {
        this.setRow(member, row, memory, register);
      });
      return;
    }
    const base = this.split(entry, ATTRIBUTE.BY_REG);
    for (const reg of regs === '*' ? REGS : [...regs].map(Number)) {
      const member = rm === undefined ? base + reg : this.split(base + reg, ATTRIBUTE.BY_RM) + Number(rm);
      this.setRow(member, row, memory, register);
    }
  }

  private visitOrSelf(entry: number, visit: (entry: number) => void): void {
    if (((this.tables.attributes[entry] ?? 0) & ATTRIBUTE.SPLIT) === 0) visit(entry);
    else this.visit(entry, visit);
  }

  /** `memory` and `register`: whether what the line says of memory and of the rm register holds for this entry. */
  private setRow(entry: number, row: EncodingRow, memory: boolean, register: boolean): void {
    const { attributes, details, roles, reads, writes } = this.tables;
    attributes[entry] = memory ? row.attributes : row.attributes & ~(ATTRIBUTE.READS | ATTRIBUTE.WRITES);
    roles[entry] = register ? row.roles : row.roles & ~(ROLE.RM_READ | ROLE.RM_WRITTEN);
    reads[entry] = row.reads;
    writes[entry] = row.writes;
    if (row.w !== 1) details[entry * 2] = row.detail;
    if (row.w !== 0) details[entry * 2 + 1] = row.detail;
  }
}

function sizeOf(split: number): number {
  return split === ATTRIBUTE.BY_MOD ? 2 : 8;
}

const REGS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];

const CONTROL_MOVES: readonly (readonly [number, number, readonly number[]])[] = [
  [0x20, ROLE.RM_WRITTEN, [0, 2, 3, 4]],
  [0x21, ROLE.RM_WRITTEN, REGS],
  [0x22, ROLE.RM_READ, [0, 2, 3, 4]],
  [0x23, ROLE.RM_READ, REGS],
];
