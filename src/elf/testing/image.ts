/** A program header of a hand-made file; what is left out is 0. */
export interface ImageSegment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr?: number;
  readonly size: number;
  readonly align?: number;
}

/** A section header of a hand-made file; what is left out is 0. */
export interface ImageSection {
  readonly nameIndex?: number;
  readonly type: number;
  readonly flags?: number;
  readonly addr?: number;
  readonly offset?: number;
  readonly size?: number;
  readonly link?: number;
  readonly info?: number;
  readonly entsize?: number;
}

/** What a hand-made 64-bit file consists of. */
export interface ImageParts {
  readonly segments?: readonly ImageSegment[];
  readonly sections?: readonly ImageSection[];
  /** Index of the section name table. */
  readonly shstrndx?: number;
  /** Starts at BODY_OFFSET. */
  readonly body?: Uint8Array;
}

/** File offset of the body of a hand-made file. */
export const BODY_OFFSET = 64;

/** A little-endian x86-64 ELF file: header, body, program headers, section headers. */
export function elfImage(parts: ImageParts): Uint8Array {
  const { segments = [], sections = [], shstrndx = 0, body = new Uint8Array() } = parts;
  const phoff = BODY_OFFSET + body.length;
  const shoff = phoff + segments.length * 56;
  const bytes = new Uint8Array(shoff + sections.length * 64);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.set(body, BODY_OFFSET);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  word(32, phoff);
  word(40, sections.length > 0 ? shoff : 0);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, sections.length, true);
  view.setUint16(62, shstrndx, true);
  for (const [index, segment] of segments.entries()) {
    const at = phoff + index * 56;
    view.setUint32(at, segment.type, true);
    word(at + 8, segment.offset);
    word(at + 16, segment.vaddr ?? 0);
    word(at + 32, segment.size);
    word(at + 40, segment.size);
    word(at + 48, segment.align ?? 0);
  }
  for (const [index, section] of sections.entries()) {
    const at = shoff + index * 64;
    view.setUint32(at, section.nameIndex ?? 0, true);
    view.setUint32(at + 4, section.type, true);
    word(at + 8, section.flags ?? 0);
    word(at + 16, section.addr ?? 0);
    word(at + 24, section.offset ?? 0);
    word(at + 32, section.size ?? 0);
    view.setUint32(at + 40, section.link ?? 0, true);
    view.setUint32(at + 44, section.info ?? 0, true);
    word(at + 56, section.entsize ?? 0);
  }
  return bytes;
}

/** 64-bit words as bytes, little-endian. */
export function words(...values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}
