/** A type as the tests write it down; `type` is an id, the first of the list being 1. */
export type BtfType =
  | { readonly kind: 'int'; readonly name: string; readonly size: number }
  | {
      readonly kind: 'struct' | 'union';
      readonly name: string;
      readonly size: number;
      readonly members: readonly { readonly name: string; readonly type: number; readonly bits: number }[];
    }
  | { readonly kind: 'typedef' | 'pointer' | 'const'; readonly name: string; readonly type: number }
  | { readonly kind: 'enum'; readonly name: string; readonly values: number }
  | { readonly kind: 'function'; readonly name: string; readonly parameters: number };

/** Source: Documentation/bpf/btf.rst. */
const KIND = {
  int: 1,
  pointer: 2,
  struct: 4,
  union: 5,
  enum: 6,
  typedef: 8,
  const: 10,
  function: 13,
} as const;

/** The bytes of a BTF file with these types. */
export function buildBtf(types: readonly BtfType[]): Uint8Array {
  let strings = '\0';
  const place = (name: string): number => {
    if (name === '') return 0;
    strings += `${name}\0`;
    return strings.length - name.length - 1;
  };
  const words: number[] = [];
  const head = (type: BtfType, parts: number, last: number): void => {
    words.push(place(type.name), (KIND[type.kind] << 24) | parts, last);
  };
  for (const type of types) {
    switch (type.kind) {
      case 'int':
        head(type, 0, type.size);
        words.push(32);
        break;
      case 'struct':
      case 'union':
        head(type, type.members.length, type.size);
        for (const { name, type: member, bits } of type.members) words.push(place(name), member, bits);
        break;
      case 'typedef':
      case 'pointer':
      case 'const':
        head(type, 0, type.type);
        break;
      case 'enum':
        head(type, type.values, 4);
        for (let value = 0; value < type.values; value++) words.push(place(`value${value}`), value);
        break;
      case 'function':
        head(type, type.parameters, 0);
        for (let index = 0; index < type.parameters; index++) words.push(place(`parameter${index}`), 1);
        break;
    }
  }
  const text = Buffer.from(strings, 'latin1');
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  for (const [index, value] of [24, 0, words.length * 4, words.length * 4, text.length].entries()) {
    view.setUint32(4 + index * 4, value, true);
  }
  return Uint8Array.from([...header, ...new Uint8Array(Uint32Array.from(words).buffer), ...text]);
}
