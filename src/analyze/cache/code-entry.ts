import type { ObjectCode } from '../code/object-code.ts';

type Numbers = Int32Array | Uint8Array;

/** Length of the number that says how long the header is. */
const PREFIX = 4;

/**
 * The code of an object as bytes: a header in JSON that names each array with its kind and length, then the arrays, each at a
 * multiple of four bytes.
 */
export function encodeCode(code: ObjectCode): Uint8Array {
  const arrays = arraysOf(code);
  const header = Buffer.from(
    JSON.stringify(arrays.map(([name, array]) => [name, array instanceof Int32Array ? 4 : 1, array.length])),
  );
  const parts: Uint8Array[] = [
    new Uint8Array(Uint32Array.of(header.length).buffer),
    header,
    padding(header.length),
  ];
  for (const [, array] of arrays) {
    parts.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), padding(array.byteLength));
  }
  return Buffer.concat(parts);
}

/** The code of an object from bytes; null when they are not what `encodeCode` writes. */
export function decodeCode(bytes: Uint8Array): ObjectCode | null {
  const header = headerOf(bytes);
  if (header === null) return null;
  let at = PREFIX + header.size + padding(header.size).length;
  const code: Record<string, unknown> = {};
  const data: Record<string, unknown> = {};
  for (const [name, width, length] of header.arrays) {
    const size = width * length;
    if (at + size > bytes.length) return null;
    // A copy of its own: what is read need not lie at a multiple of four.
    const { buffer } = Uint8Array.from(bytes.subarray(at, at + size));
    const array = width === 4 ? new Int32Array(buffer, 0, length) : new Uint8Array(buffer, 0, length);
    if (name.startsWith('data.')) data[name.slice(5)] = array;
    else code[name] = array;
    at += size + padding(size).length;
  }
  code['data'] = data;
  const whole = code as unknown as ObjectCode;
  return at === bytes.length && isConsistent(whole) ? whole : null;
}

/** Code of which nothing was read: no functions and no data. */
export function emptyCode(): ObjectCode {
  const none = new Int32Array(0);
  const bytes = new Uint8Array(0);
  const offsets = new Int32Array(1);
  return {
    starts: none,
    origins: bytes,
    returns: bytes,
    factOffsets: offsets,
    factKinds: bytes,
    factPlaces: none,
    factTargets: none,
    blockOffsets: offsets,
    blockStarts: none,
    blockEnds: none,
    outsideEntries: none,
    jumpPlaces: none,
    jumpOffsets: offsets,
    jumpTargets: none,
    twice: none,
    twiceWords: none,
    ownerStarts: none,
    ownerEnds: none,
    owners: none,
    personalities: none,
    personalityWords: none,
    data: { starts: none, ends: none, pointerOffsets: offsets, pointerPlaces: none },
  };
}

function arraysOf(code: ObjectCode): [string, Numbers][] {
  const { data, ...own } = code;
  return [
    ...Object.entries(own).map(([name, array]): [string, Numbers] => [name, array]),
    ...Object.entries(data).map(([name, array]): [string, Numbers] => [`data.${name}`, array]),
  ];
}

function headerOf(bytes: Uint8Array): { size: number; arrays: [string, number, number][] } | null {
  if (bytes.length < PREFIX) return null;
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (size > bytes.length - PREFIX) return null;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes.subarray(PREFIX, PREFIX + size)).toString());
    return Array.isArray(parsed) && parsed.every(isArrayHead) ? { size, arrays: parsed } : null;
  } catch {
    return null;
  }
}

function isArrayHead(entry: unknown): entry is [string, number, number] {
  if (!Array.isArray(entry)) return false;
  const [name, width, length] = entry as unknown[];
  return (
    typeof name === 'string' &&
    (width === 1 || width === 4) &&
    Number.isSafeInteger(length) &&
    (length as number) >= 0
  );
}

/** All arrays are there, belong together, and no index leads out of them. */
function isConsistent(code: ObjectCode): boolean {
  const fresh = emptyCode();
  const kinds = arraysOf(fresh);
  const found = new Map(arraysOf(code));
  if (found.size !== kinds.length) return false;
  for (const [name, array] of kinds) if (found.get(name)?.constructor !== array.constructor) return false;
  const functions = code.starts.length;
  const facts = code.factKinds.length;
  const blocks = code.blockStarts.length;
  const { data } = code;
  return (
    code.origins.length === functions &&
    code.returns.length === functions &&
    code.factPlaces.length === facts &&
    code.factTargets.length === facts &&
    code.blockEnds.length === blocks &&
    code.ownerStarts.length === code.owners.length &&
    code.ownerEnds.length === code.owners.length &&
    areOffsets(code.factOffsets, functions, facts) &&
    areOffsets(code.blockOffsets, functions, blocks) &&
    areOffsets(code.jumpOffsets, code.jumpPlaces.length, code.jumpTargets.length) &&
    data.ends.length === data.starts.length &&
    areOffsets(data.pointerOffsets, data.starts.length, data.pointerPlaces.length) &&
    code.owners.every((owner) => owner >= 0 && owner < functions)
  );
}

function areOffsets(offsets: Int32Array, count: number, end: number): boolean {
  if (offsets.length !== count + 1 || offsets[0] !== 0 || offsets[count] !== end) return false;
  return offsets.every((offset, at) => at === 0 || offset >= (offsets[at - 1] as number));
}

function padding(size: number): Uint8Array {
  return new Uint8Array((4 - (size & 3)) & 3);
}
