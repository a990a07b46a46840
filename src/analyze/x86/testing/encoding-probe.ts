import {
  Decoder,
  DecoderOptions,
  FlowControl,
  Instruction,
  InstructionInfoFactory,
  OpAccess,
  type Register,
  RegisterExt,
} from 'iced-x86';

/**
 * Asks iced-x86 about every opcode of the vector maps (legacy 0F, 0F38 and 0F3A with each mandatory prefix, VEX, EVEX,
 * XOP) and writes down what it finds as the text of `generated/encodings.ts`; the format is described there.
 */
export function probeEncodings(): string {
  const lines = new Map<string, string>();
  for (const space of SPACES) {
    const name = `${space.kind}${space.map.toString(16)}`;
    for (let opcode = 0; opcode < 256; opcode++) {
      if (space.kind === 's' && space.map === 1 && LEFT_OUT.has(opcode)) continue;
      const perPrefix = [0, 1, 2, 3].map((pp) =>
        space.kind === 'x' && pp > 0 ? [] : probeOpcode(space, pp, opcode),
      );
      const alike = perPrefix.every((found) => found.join('|') === perPrefix[0]?.join('|'));
      perPrefix.forEach((found, pp) => {
        if (alike && pp > 0) return;
        const place = `${alike ? '*' : String(pp)}${opcode.toString(16).padStart(2, '0')}`;
        for (const row of found) {
          const key = `${name} ${row}`;
          lines.set(key, `${lines.get(key) ?? key} ${place}`);
        }
      });
    }
  }
  return [...lines.values()].join('\n');
}

type Space = { readonly kind: 's' | 'v' | 'e' | 'x'; readonly map: number };

const SPACES: readonly Space[] = [
  ...[1, 2, 3].map((map): Space => ({ kind: 's', map })),
  ...[1, 2, 3].map((map): Space => ({ kind: 'v', map })),
  ...[1, 2, 3, 5, 6].map((map): Space => ({ kind: 'e', map })),
  ...[8, 9, 10].map((map): Space => ({ kind: 'x', map })),
];

/** Escapes to further maps, 3DNow, whose opcode comes last, and moves to and from control and debug registers. */
const LEFT_OUT: ReadonlySet<number> = new Set([0x38, 0x3a, 0x0f, 0x20, 0x21, 0x22, 0x23]);

type Fields = {
  w: number;
  l: number;
  /** 0 to 31. */
  reg: number;
  /** 0 to 31, or -1 for a memory operand [r12+r9+disp32]. */
  rm: number;
  v: number;
  aaa: number;
  z: number;
  b: number;
};

function encode(space: Space, pp: number, opcode: number, f: Fields): number[] {
  const memory = f.rm < 0;
  const r = (f.reg >> 3) & 1;
  const x = memory ? 1 : (f.rm >> 4) & 1;
  const b = memory ? 1 : (f.rm >> 3) & 1;
  const operand = memory
    ? [0x84 | ((f.reg & 7) << 3), 0x0c, 0x10, 0x20, 0x30, 0x40]
    : [0xc0 | ((f.reg & 7) << 3) | (f.rm & 7)];
  const tail = [opcode, ...operand];
  if (space.kind === 's') {
    const prefix = [[], [0x66], [0xf3], [0xf2]][pp] ?? [];
    const escape = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][space.map] ?? [];
    return [...prefix, 0x40 | (f.w << 3) | (r << 2) | (x << 1) | b, ...escape, ...tail];
  }
  if (space.kind === 'e') {
    return [
      0x62,
      ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | ((((f.reg >> 4) & 1) ^ 1) << 4) | space.map,
      (f.w << 7) | ((~f.v & 15) << 3) | 4 | pp,
      (f.z << 7) | (f.l << 5) | (f.b << 4) | ((((f.v >> 4) & 1) ^ 1) << 3) | f.aaa,
      ...tail,
    ];
  }
  return [
    space.kind === 'v' ? 0xc4 : 0x8f,
    ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | space.map,
    (f.w << 7) | ((~f.v & 15) << 3) | (f.l << 2) | pp,
    ...tail,
  ];
}

const SLOT = 24;
const instruction = new Instruction();
const informer = new InstructionInfoFactory();

/** For each candidate the decoded length, 0 if invalid. */
function lengths(candidates: readonly (readonly number[])[]): number[] {
  return decodeAll(candidates, () => (instruction.isInvalid ? 0 : instruction.length));
}

/** For each candidate iced's code, 0 if invalid. */
function codes(candidates: readonly (readonly number[])[]): number[] {
  return decodeAll(candidates, () => instruction.code);
}

function decodeAll(candidates: readonly (readonly number[])[], take: () => number): number[] {
  const bytes = new Uint8Array(candidates.length * SLOT);
  candidates.forEach((candidate, index) => bytes.set(candidate, index * SLOT));
  const decoder = new Decoder(64, bytes, DecoderOptions.MPX);
  const found = candidates.map((_, index) => {
    decoder.position = index * SLOT;
    decoder.decodeOut(instruction);
    return take();
  });
  decoder.free();
  return found;
}

function probeOpcode(space: Space, pp: number, opcode: number): string[] {
  const memory: string[][] = [];
  const register: string[][] = [];
  // REX.W changes the size of a general operand, never whether there is such an instruction.
  const ws = space.kind === 's' ? [0] : [0, 1];
  for (let reg = 0; reg < 8; reg++) {
    memory.push(merge(ws.map((w) => probeForm(space, pp, opcode, -1, reg, w, false))));
    const split = selectsByRm(space, pp, opcode, reg);
    const probe = (rm: number): string[] =>
      merge(ws.map((w) => probeForm(space, pp, opcode, rm, reg, w, split)));
    const same = split ? [] : probe(5);
    for (let rm = 0; rm < 8; rm++) register.push(split ? probe(rm) : same);
  }
  return fold(memory, register);
}

/** One line for both values of W where they agree. */
function merge(found: readonly string[]): string[] {
  const [first = '', second = first] = found;
  if (first === second) return first === '' ? [] : [`* ${first}`];
  return found.flatMap((row, w) => (row === '' ? [] : [`${String(w)} ${row}`]));
}

/** Joins what is equal for memory and register, for all values of rm, and for several of reg. */
function fold(memory: readonly string[][], register: readonly string[][]): string[] {
  const lines = new Map<string, string>();
  const put = (form: string, reg: number, rm: string, row: string): void => {
    const key = `${form} ${rm} ${row}`;
    lines.set(key, (lines.get(key) ?? '') + String(reg));
  };
  for (let reg = 0; reg < 8; reg++) {
    const inMemory = memory[reg] ?? [];
    const forms = register.slice(reg * 8, reg * 8 + 8);
    const inRegister = forms[0] ?? [];
    const oneForm = forms.every((each) => each.join('|') === inRegister.join('|'));
    const touches = inRegister.some((row) => /[<>]/.test(row)) && inRegister.join('|') !== inMemory.join('|');
    if (oneForm && !touches && inMemory.length > 0 && stripAccess(inMemory) === stripAccess(inRegister)) {
      for (const row of unite(inMemory, inRegister)) put('*', reg, '*', row);
      continue;
    }
    for (const row of inMemory) put('m', reg, '*', row);
    if (oneForm) for (const row of inRegister) put('r', reg, '*', row);
    else forms.forEach((each, rm) => each.forEach((row) => put('r', reg, String(rm), row)));
  }
  return [...lines].map(([key, regs]) => {
    const [form = '', rm = '', ...row] = key.split(' ');
    return `${form}${regs === '01234567' ? '*' : regs}${rm === '*' ? '' : `.${rm}`} ${row.join(' ')}`;
  });
}

/** Rows without what only a memory form (< > b l s r) or only a register form (c C y Y e) has. */
function stripAccess(rows: readonly string[]): string {
  return rows.map((row) => row.slice(0, row.lastIndexOf(' ')).replaceAll(/[-<>blcCyYesr]/g, '')).join('|');
}

/** Flags of the memory and the register form side by side. */
function unite(memory: readonly string[], register: readonly string[]): string[] {
  return memory.map((row, index) => {
    const [w = '', l = '', flags = '', ...rest] = row.split(' ');
    const other = register[index]?.split(' ')[2] ?? '';
    const both = new Set([...flags.replace('-', ''), ...other.replace('-', '')]);
    return [w, l, [...both].join('') || '-', ...rest].join(' ');
  });
}

/** Whether the rm field is part of the opcode: the codes differ, and not only where two operands would be the same. */
function selectsByRm(space: Space, pp: number, opcode: number, reg: number): boolean {
  // EVEX has no such opcodes, and is large.
  if (space.kind === 'e') return false;
  const configurations = space.kind === 's' ? [[0, 0]] : L_AND_V;
  const found = new Set<number>();
  for (let rm = 0; rm < 8; rm++) {
    const candidates = configurations.flatMap(([l = 0, v = 0]) =>
      [0, 1].map((w) => encode(space, pp, opcode, { w, l, reg, rm, v, aaa: 0, z: 0, b: 0 })),
    );
    const code = codes(candidates).find((each) => each !== 0) ?? 0;
    if (code !== 0 || rm !== reg) found.add(code);
  }
  return found.size > 1;
}

const L_AND_V: readonly number[][] = [0, 1].flatMap((l) => [0, 2, 4].map((v) => [l, v]));

/** What is known of one W, one form (`rm` -1 for memory); empty if no such instruction exists. */
function probeForm(
  space: Space,
  pp: number,
  opcode: number,
  rm: number,
  reg: number,
  w: number,
  split: boolean,
): string {
  const vector = space.kind !== 's';
  const evex = space.kind === 'e';
  const memory = rm < 0;
  const lengthsOfL = evex ? [0, 1, 2, 3] : vector ? [0, 1] : [0];
  const candidates: Fields[] = [];
  for (const l of lengthsOfL)
    for (const otherRm of rm === reg && !split ? [rm, (rm + 1) & 7] : [rm])
      for (const v of vector ? [0, 2, 4] : [0])
        for (const aaa of evex ? [0, 1] : [0])
          candidates.push({ w, l, reg, rm: otherRm, v, aaa, z: 0, b: 0 });
  const valid = lengths(candidates.map((fields) => encode(space, pp, opcode, fields)));
  const good = candidates.filter((_, index) => (valid[index] ?? 0) > 0);
  const first = good[0];
  if (first === undefined) return '';

  const is = (change: Partial<Fields>): boolean =>
    (lengths([encode(space, pp, opcode, { ...first, ...change })])[0] ?? 0) > 0;
  const bytes = encode(space, pp, opcode, first);
  const bare = bytes.length - (memory ? 6 : 1);
  const total = lengths([bytes])[0] ?? 0;
  const withOperand = total >= bytes.length && withoutOperand(bytes, bare) !== total;
  const extra = total - (withOperand ? bytes.length : bare);
  let flags = withOperand ? '' : 'n';
  const add = (letter: string, when: boolean): void => {
    if (when) flags += letter;
  };
  add('i', extra === 1);
  add('j', extra === 2);
  add('J', extra === 4);
  if (extra < 0 || extra === 3 || extra > 4)
    throw new Error(`probe: ${bytes.join(',')} is ${String(extra)} bytes longer`);
  const used = good.some((fields) => fields.v !== 0);
  if (vector) {
    add('v', used);
    const v = good.find((fields) => fields.v !== 0)?.v ?? 0;
    add('h', used && !is({ v: v | 8 }));
    add('H', used && is({ v: v | 8 }) && evex && !is({ v: v | 16 }));
  }
  if (!vector) {
    add('l', (lengths([[0xf0, ...bytes]])[0] ?? 0) > 0);
    add('p', pp > 1 && (lengths([[0x66, ...bytes]])[0] ?? 0) === 0);
  }
  // Register 9 is also the index.
  add('g', !is({ reg: reg | 8 }) && !(memory && reg === 1 && is({ reg: 8 })));
  if (evex) add('G', (is({ reg: reg | 8 }) || memory) && !flags.includes('g') && !is({ reg: reg | 16 }));
  if (!memory) {
    add('y', !is({ rm: first.rm | 8 }));
    if (evex) add('Y', is({ rm: first.rm | 8 }) && !is({ rm: first.rm | 16 }));
  }
  if (evex) {
    add('k', is({ aaa: 1 }));
    add('K', !is({ aaa: 0 }));
    add('z', is({ aaa: 1, z: 1 }));
    add('Z', is({ aaa: 0, z: 1 }));
    add(memory ? 'b' : 'e', is({ b: 1 }));
  }
  if (vector) {
    const v = (reg + 1) & 7;
    const same = { reg, rm: memory ? -1 : (reg + 2) & 7, v: used ? v : 0 };
    add('q', is(same) && ((used && !is({ ...same, v: reg })) || (!memory && !is({ ...same, rm: reg }))));
    add('Q', used && !memory && is(same) && !is({ ...same, rm: v }));
    if (memory) add('u', is({ reg: 8 }) && !is({ reg: 9 }));
    if (memory && evex) add('V', !used && is({ v: 16 }));
  }
  const l = lengthsOfL
    .filter((each) => good.some((fields) => fields.l === each))
    .reduce((set, each) => set | (1 << each), 0);
  const { roles, reads, writes } = effects(space, pp, opcode, first, used, withOperand && !split);
  add('f', returns(bytes));
  if (memory && withOperand) {
    const at = bytes.length - 6;
    const operand = bytes[at] ?? 0;
    const withoutSib = lengths([[...bytes.slice(0, at), (operand & 0xf8) | 3, ...FILLER]])[0] === 0;
    add('s', withoutSib);
    add('r', !withoutSib && lengths([[...bytes.slice(0, at), (operand & 0x38) | 5, ...FILLER]])[0] === 0);
  }
  const scale = evex && memory ? displacementScale(space, pp, opcode, first, flags.includes('b')) : '-';
  return `${l.toString(16)} ${flags + roles || '-'} ${reads.toString(16)}:${writes.toString(16)} ${scale}`;
}

/** What an 8-bit displacement is multiplied by, as a power of two; `+` by length, `~` as movddup has it; `/` broadcast. */
function displacementScale(
  space: Space,
  pp: number,
  opcode: number,
  first: Fields,
  broadcast: boolean,
): string {
  const scaleOf = (change: Partial<Fields>): number => {
    // mod 1 instead of 2, displacement 1.
    const bytes = encode(space, pp, opcode, { ...first, ...change });
    bytes[5] = 0x44 | ((bytes[5] ?? 0) & 0x38);
    bytes[7] = 1;
    return decodeCode(bytes) === 0 ? -1 : Math.log2(Number(instruction.memoryDisplacement));
  };
  const perLength = [0, 1, 2].map((l) => scaleOf({ l }));
  const lowest = perLength.findIndex((scale) => scale >= 0);
  const base = perLength[lowest] ?? 0;
  const fixed = perLength.every((scale) => scale < 0 || scale === base);
  const grows = perLength.every((scale, l) => scale < 0 || scale === base - lowest + l);
  // A single length tells nothing, and needs nothing.
  const text = fixed ? String(base) : grows ? `${String(base - lowest)}+` : '4~';
  if (text === '4~' && perLength.join() !== '3,5,6')
    throw new Error(`probe: displacement scales ${perLength.join()}`);
  return broadcast ? `${text}/${String(scaleOf({ b: 1 }))}` : text;
}

/** Whether control goes elsewhere and does not come back: uiret, sysret and the like. */
function returns(bytes: readonly number[]): boolean {
  return decodeCode(bytes) !== 0 && instruction.flowControl === FlowControl.Return;
}

const FILLER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8];

/** The length if the operand byte were another: the same only if the opcode has no operand byte. */
function withoutOperand(bytes: readonly number[], at: number): number {
  const operand = bytes[at] ?? 0;
  const other = operand >= 0xc0 ? 0x84 | (operand & 0x38) : operand & 0x3f;
  return lengths([[...bytes.slice(0, at), other, 0x0c, 0x10, 0x20, 0x30, 0x40]])[0] ?? 0;
}

/** General registers by role (a A reg, c C rm, d D vvvv; capitals written), memory (<, >), and the implicit ones. */
function effects(
  space: Space,
  pp: number,
  opcode: number,
  first: Fields,
  used: boolean,
  explicit: boolean,
): { roles: string; reads: number; writes: number } {
  // Registers that no instruction uses implicitly, if the encoding admits them.
  const choices: Fields[] = [
    { ...first, reg: 11, rm: first.rm < 0 ? -1 : 13, v: used ? 10 : 0 },
    { ...first, rm: first.rm < 0 ? -1 : 13, v: used ? 10 : 0 },
    { ...first, reg: 11, v: used ? 10 : 0 },
    { ...first, v: used ? 10 : 0 },
    first,
  ].filter((fields) => (fields.reg & 7) === first.reg || fields.reg === 11);
  // A reg field that selects the operation must stay.
  const wanted = decodeCode(encode(space, pp, opcode, first));
  const chosen = choices.find((fields) => decodeCode(encode(space, pp, opcode, fields)) === wanted) ?? first;
  decodeCode(encode(space, pp, opcode, chosen));
  const info = informer.info(instruction);
  let reads = 0;
  let writes = 0;
  for (const usedRegister of info.usedRegisters()) {
    const number = generalNumber(usedRegister.register);
    if (number >= 0) {
      const access = usedRegister.access;
      if (READING.has(access)) reads |= 1 << number;
      if (WRITING.has(access)) writes |= 1 << number;
    }
    usedRegister.free();
  }
  let roles = '';
  const take = (number: number, letter: string): void => {
    if ((reads >> number) & 1) roles += letter;
    if ((writes >> number) & 1) roles += letter.toUpperCase();
    reads &= ~(1 << number);
    writes &= ~(1 << number);
  };
  if (!explicit) {
    // Every register is implied.
  } else if (chosen.rm < 0) {
    reads &= ~((1 << 12) | (1 << 9));
  } else {
    take(chosen.rm, 'c');
  }
  if (explicit && chosen.reg === 11) take(chosen.reg, 'a');
  if (used) take(chosen.v, 'd');
  let memoryRead = false;
  let memoryWrite = false;
  for (const memory of info.usedMemory()) {
    if (READING.has(memory.access)) memoryRead = true;
    if (WRITING.has(memory.access)) memoryWrite = true;
    memory.free();
  }
  info.free();
  if (memoryRead) roles += '<';
  if (memoryWrite) roles += '>';
  return { roles, reads, writes };
}

const READING: ReadonlySet<OpAccess> = new Set([
  OpAccess.Read,
  OpAccess.CondRead,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);
const WRITING: ReadonlySet<OpAccess> = new Set([
  OpAccess.Write,
  OpAccess.CondWrite,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);

function decodeCode(bytes: readonly number[]): number {
  const padded = new Uint8Array(SLOT);
  padded.set(bytes);
  const decoder = new Decoder(64, padded, DecoderOptions.MPX);
  decoder.decodeOut(instruction);
  decoder.free();
  return instruction.code;
}

function generalNumber(register: Register): number {
  return RegisterExt.isGPR(register) ? RegisterExt.number(RegisterExt.fullRegister(register)) : -1;
}
