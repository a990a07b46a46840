import { ATTRIBUTE, DETAIL, IMM, MAP, ROLE, type Tables } from './attribute.ts';
import { type EncodingRow, parseRow } from './encoding-row.ts';
import { ENCODINGS } from './generated/encodings.ts';
import { type MapEntry, type MapGroup, oneByteMap } from './one-byte-map.ts';
import { describeOperations } from './operations.ts';
import { x87Map } from './x87-map.ts';

/** Builds the tables; some milliseconds. */
export function buildTables(): Tables {
  const builder = new Builder();
  builder.addOneByteMap();
  builder.addX87();
  builder.addEncodings(ENCODINGS);
  builder.addSpecials();
  describeOperations(builder.tables, (entry, visit) => {
    builder.members(entry, visit);
  });
  return builder.finish();
}

/** An entry to fill, and whether what a line says of memory and of the rm register holds there. */
type Place = { readonly entry: number; readonly memory: boolean; readonly register: boolean };

/** Entries with all groups; a few are spare. */
const CAPACITY = 24_000;

class Builder {
  readonly tables: Tables = {
    attributes: new Uint32Array(CAPACITY),
    details: new Uint32Array(CAPACITY * 2),
    roles: new Uint8Array(CAPACITY),
    reads: new Uint16Array(CAPACITY),
    writes: new Uint16Array(CAPACITY),
    widths: new Uint8Array(CAPACITY),
  };
  private next: number = MAP.GROUPS;

  addOneByteMap(): void {
    for (const [opcode, found] of oneByteMap()) {
      if ('attributes' in found) this.set(opcode, found);
      else this.addGroup(opcode, found);
    }
  }

  addX87(): void {
    x87Map().forEach(({ memory, register }, index) => {
      const base = this.group(0xd8 + index);
      memory.forEach((found, reg) => {
        if (found) this.set(base + reg, found);
      });
      for (let reg = 0; reg < 8; reg++) {
        const inner = this.rmGroup(base + 8 + reg);
        for (let rm = 0; rm < 8; rm++) {
          const found = register[reg * 8 + rm];
          if (found) this.set(inner + rm, found);
        }
      }
    });
  }

  addEncodings(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const row = parseRow(line);
      for (const entry of row.entries) {
        for (const place of this.places(entry, row.form)) this.addRow(place, row);
      }
    }
  }

  addSpecials(): void {
    const { attributes, roles } = this.tables;
    const isa3DNow = ATTRIBUTE.VALID | ATTRIBUTE.MODRM | ATTRIBUTE.READS | IMM.BYTE;
    attributes[MAP.NOW_3D] = isa3DNow;
    roles[MAP.NOW_3D] = ROLE.VECTOR;
    // Moves from and to control registers 0, 2, 3, 4 and 8, and debug registers 0 to 7.
    for (const [opcode, role, valid] of CONTROL_MOVES) {
      for (const pp of PREFIXES) {
        const base = this.group(MAP.LEGACY_0F + pp * 256 + opcode);
        for (let reg = 0; reg < 16; reg++) {
          if (!valid.includes(reg & 7)) continue;
          attributes[base + reg] =
            ATTRIBUTE.VALID |
            ATTRIBUTE.MODRM |
            ATTRIBUTE.IGNORE_MOD |
            ATTRIBUTE.DEFAULT_64 |
            ATTRIBUTE.DETAIL;
          roles[base + reg] = role;
          const extended = valid.length < 8 && (reg & 7) === 0;
          this.detail(base + reg, 0, 1 | (extended ? 0 : DETAIL.REG_BELOW_8));
          this.detail(base + reg, 1, 1 | (extended ? 0 : DETAIL.REG_BELOW_8));
        }
      }
    }
  }

  /** Calls `visit` for the entry, or for all members if it is a group. */
  members(entry: number, visit: (member: number) => void): void {
    const attributes = this.tables.attributes[entry] ?? 0;
    const size = (attributes & ATTRIBUTE.GROUP) !== 0 ? 16 : (attributes & ATTRIBUTE.RM_GROUP) !== 0 ? 8 : 0;
    if (size === 0) {
      if (attributes !== 0) visit(entry);
      return;
    }
    for (let index = 0; index < size; index++) this.members((attributes >>> 16) + index, visit);
  }

  finish(): Tables {
    if (this.next > CAPACITY)
      throw new Error(`x86: tables need ${String(this.next)} entries (${String(CAPACITY)})`);
    return this.tables;
  }

  private set(entry: number, found: MapEntry): void {
    this.tables.attributes[entry] = found.attributes;
    this.tables.reads[entry] = found.reads;
    this.tables.writes[entry] = found.writes;
    this.tables.roles[entry] = found.roles ?? 0;
  }

  private addGroup(opcode: number, found: MapGroup): void {
    const base = this.group(opcode);
    found.memory.forEach((member, reg) => {
      if (member) this.set(base + reg, member);
    });
    found.register.forEach((member, reg) => {
      if (!member) return;
      if ((member.attributes & ATTRIBUTE.RM_GROUP) === 0) {
        this.set(base + 8 + reg, member);
        return;
      }
      this.set(this.rmGroup(base + 8 + reg), {
        ...member,
        attributes: member.attributes & ~ATTRIBUTE.RM_GROUP,
      });
    });
  }

  /** Base of the sixteen members of a group, made if it is none yet. */
  private group(entry: number): number {
    return this.branch(entry, ATTRIBUTE.GROUP, 16);
  }

  private rmGroup(entry: number): number {
    return this.branch(entry, ATTRIBUTE.RM_GROUP, 8);
  }

  private branch(entry: number, kind: number, size: number): number {
    const present = this.tables.attributes[entry] ?? 0;
    if ((present & kind) !== 0) return present >>> 16;
    const base = this.next;
    this.next += size;
    this.tables.attributes[entry] = ATTRIBUTE.VALID | ATTRIBUTE.MODRM | kind | (base << 16);
    return base;
  }

  /** The entries that a form names; see `generated/encodings.ts`. */
  private places(entry: number, form: string): Place[] {
    if (form === '**') return [{ entry, memory: true, register: true }];
    const [regs = '', rm] = form.slice(1).split('.');
    const base = this.group(entry);
    const found: Place[] = [];
    for (const reg of regs === '*' ? REGS : [...regs].map(Number)) {
      if (form[0] !== 'r') found.push({ entry: base + reg, memory: true, register: false });
      if (form[0] === 'm') continue;
      const register = base + 8 + reg;
      found.push({
        entry: rm === undefined ? register : this.rmGroup(register) + Number(rm),
        memory: form[0] === 'r',
        register: true,
      });
    }
    return found;
  }

  private addRow({ entry, memory, register }: Place, row: EncodingRow): void {
    const { attributes, roles, reads, writes } = this.tables;
    attributes[entry] = memory ? row.attributes : row.attributes & ~(ATTRIBUTE.READS | ATTRIBUTE.WRITES);
    roles[entry] = register ? row.roles : row.roles & ~(ROLE.RM_READ | ROLE.RM_WRITTEN);
    reads[entry] = row.reads;
    writes[entry] = row.writes;
    if (row.w !== 1) this.detail(entry, 0, row.detail);
    if (row.w !== 0) this.detail(entry, 1, row.detail);
  }

  private detail(entry: number, w: number, word: number): void {
    this.tables.details[entry * 2 + w] = word;
  }
}

const PREFIXES: readonly number[] = [0, 1, 2, 3];
const REGS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];

const CONTROL_MOVES: readonly (readonly [number, number, readonly number[]])[] = [
  [0x20, ROLE.RM_WRITTEN, [0, 2, 3, 4]],
  [0x21, ROLE.RM_WRITTEN, REGS],
  [0x22, ROLE.RM_READ, [0, 2, 3, 4]],
  [0x23, ROLE.RM_READ, REGS],
];
