import { ByteCursor, hex } from '../base/byte-cursor.ts';
import { FormatError } from '../base/errors.ts';
import { loadedRun } from './address.ts';
import { D_TAG } from './constants.ts';
import type { DynamicTable } from './dynamic.ts';
import type { ElfFile } from './file.ts';
import type { StringTable } from './string-table.ts';

/** The version of one dynamic symbol. */
export interface SymbolVersion {
  /** Such as `GLIBC_2.34`; null for the base version and for local symbols. */
  readonly name: string | null;
  /** True when a reference without a version binds to this one: a definition that is not hidden. */
  readonly isDefault: boolean;
}

/** Looks up the version of a dynamic symbol by the symbol's index. */
export type VersionLookup = (index: number) => SymbolVersion;

/**
 * Reads the version tables DT_VERSYM, DT_VERDEF and DT_VERNEED; null when the file has no versions.
 *
 * Source: Linux Standard Base Core, "Symbol Versioning".
 *
 * @throws FormatError when a table is malformed; the lookup throws when the symbol has no entry, or names no known version.
 */
export function symbolVersions(
  elf: ElfFile,
  table: DynamicTable,
  strings: StringTable,
): VersionLookup | null {
  const versym = table.values.get(D_TAG.DT_VERSYM);
  if (versym === undefined) return null;
  const versions = new Map<number, SymbolVersion & { readonly hidden: SymbolVersion }>();
  for (const [index, { name, isDefined }] of versionNames(elf, table, strings)) {
    versions.set(index, { name, isDefault: isDefined, hidden: { name, isDefault: false } });
  }

  const cursor = new ByteCursor(elf.bytes, {
    context: 'elf: symbol versions',
    ...loadedRun(elf, versym, 'symbol versions'),
  });
  const start = cursor.offset;
  return (symbol) => {
    cursor.offset = start + symbol * 2;
    const value = cursor.u16();
    const version = versions.get(value & ~VERSYM_HIDDEN);
    if (version === undefined) {
      throw new FormatError(
        `elf: symbol ${symbol} at ${hex(cursor.offset - 2)} has version ${value & ~VERSYM_HIDDEN}, which is not defined`,
        { offset: cursor.offset - 2, value },
      );
    }
    return value & VERSYM_HIDDEN ? version.hidden : version;
  };
}

/** A version by its index, which is that of DT_VERSYM without VERSYM_HIDDEN. */
export interface VersionName {
  /** Null for 0, a local symbol, and 1, a global one without a version. */
  readonly name: string | null;
  /** True when the file defines the version, false when it needs it of another. */
  readonly isDefined: boolean;
}

/**
 * The versions that DT_VERDEF and DT_VERNEED name, by index.
 *
 * @throws FormatError when a table is malformed.
 */
export function versionNames(
  elf: ElfFile,
  { values }: DynamicTable,
  strings: StringTable,
): ReadonlyMap<number, VersionName> {
  const versions = new Map<number, VersionName>();
  readNeeded(elf, values, (index, name) => versions.set(index, { name: strings.at(name), isDefined: false }));
  readDefined(elf, values, (index, name) => versions.set(index, { name: strings.at(name), isDefined: true }));
  // Whether a base version is defined or not.
  versions.set(0, { name: null, isDefined: false });
  versions.set(1, { name: null, isDefined: false });
  return versions;
}

/** The bit of a DT_VERSYM entry that says: no reference without a version binds to it. */
export const VERSYM_HIDDEN = 0x8000;

const VERDEF_SIZE = 20;
const VERNEED_SIZE = 16;
const VERNAUX_SIZE = 16;

type AddVersion = (index: number, name: number) => void;

function readDefined(elf: ElfFile, values: ReadonlyMap<number, number>, add: AddVersion): void {
  const vaddr = values.get(D_TAG.DT_VERDEF);
  if (vaddr === undefined) return;
  const cursor = new ByteCursor(elf.bytes, {
    context: 'elf: version definitions',
    ...loadedRun(elf, vaddr, 'version definitions'),
  });
  let left = values.get(D_TAG.DT_VERDEFNUM) ?? 0;
  for (; left > 0; left--) {
    const at = cursor.offset;
    cursor.skip(4);
    const index = cursor.u16();
    cursor.skip(6);
    const aux = cursor.u32();
    const next = cursor.u32();
    // The first name is the version's own, the others are those of its parents.
    cursor.offset = at + aux;
    add(index & ~VERSYM_HIDDEN, cursor.u32());
    if (next === 0) return;
    moveTo(cursor, at, next, VERDEF_SIZE);
  }
}

function readNeeded(elf: ElfFile, values: ReadonlyMap<number, number>, add: AddVersion): void {
  const vaddr = values.get(D_TAG.DT_VERNEED);
  if (vaddr === undefined) return;
  const run = loadedRun(elf, vaddr, 'needed versions');
  const cursor = new ByteCursor(elf.bytes, { context: 'elf: needed versions', ...run });
  // Lists of distinct entries cannot hold more; only lists that share entries do.
  let budget = (run.end - run.offset) / VERNAUX_SIZE;
  let left = values.get(D_TAG.DT_VERNEEDNUM) ?? 0;
  for (; left > 0; left--) {
    const at = cursor.offset;
    cursor.skip(2);
    const count = cursor.u16();
    cursor.skip(4);
    const aux = cursor.u32();
    const next = cursor.u32();
    cursor.offset = at + aux;
    for (let entry = 0; entry < count; entry++) {
      const auxAt = cursor.offset;
      if (--budget < 0) {
        throw new FormatError(`elf: needed versions at ${hex(auxAt)} overlap`, {
          offset: auxAt,
          value: count,
        });
      }
      cursor.skip(6);
      const index = cursor.u16();
      const name = cursor.u32();
      const auxNext = cursor.u32();
      add(index & ~VERSYM_HIDDEN, name);
      if (auxNext === 0) break;
      moveTo(cursor, auxAt, auxNext, VERNAUX_SIZE);
    }
    if (next === 0) return;
    moveTo(cursor, at, next, VERNEED_SIZE);
  }
}

function moveTo(cursor: ByteCursor, at: number, step: number, least: number): void {
  if (step < least) {
    throw new FormatError(
      `elf: version entry at ${hex(at)} is followed after ${step} bytes, less than its size (${least})`,
      {
        offset: at,
        value: step,
      },
    );
  }
  cursor.offset = at + step;
}
