import { runTool } from './program.ts';

/** One row of `readelf --wide --segments`. */
export interface SegmentRow {
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  /** As in `R E`, without spaces. */
  readonly flags: string;
  readonly align: number;
}

/** The program headers as readelf shows them. */
export function readSegmentRows(program: string): SegmentRow[] {
  const row =
    /^ {2}(?:\S+|<unknown>: \w+) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+) ([RWE ]{3}) (?:0x)?([0-9a-f]+)$/gm;
  return [...runReadelf('--segments', program).matchAll(row)].map((match) => {
    const [, offset, vaddr, filesz, memsz, flags = '', align] = match;
    return {
      offset: fromHex(offset),
      vaddr: fromHex(vaddr),
      filesz: fromHex(filesz),
      memsz: fromHex(memsz),
      flags: flags.replaceAll(' ', ''),
      align: fromHex(align),
    };
  });
}

/** The section headers as readelf shows them: `name addr offset size entsize link info align`, numbers as it writes them. */
export function readSectionRows(program: string): string[] {
  const row =
    /^ +\[ *\d+\] (\S*) +[A-Z]\S*(?: [A-Z]+)* +([0-9a-f]{8,16}) ([0-9a-f]{6,}) ([0-9a-f]{6,}) ([0-9a-f]{2,}) +[A-Za-z]* +(\d+) +(\d+) +(\d+)$/gm;
  return [...runReadelf('--sections', program).matchAll(row)].map((match) => {
    const [, name, addr, offset, size, entsize, link, info, align] = match;
    return [name, fromHex(addr), fromHex(offset), fromHex(size), fromHex(entsize), link, info, align].join(
      ' ',
    );
  });
}

/** The symbols of a table as `value size type bind visibility shndx name`, with the names of constants as readelf writes them. */
export function readSymbolRows(program: string, table: 'symtab' | 'dynsym'): string[] {
  const text = runReadelf('--symbols', program);
  const start = text.indexOf(`Symbol table '.${table}' contains`);
  if (start < 0) return [];
  const next = text.indexOf('Symbol table', start + 1);
  const row = /^ *\d+: ([0-9a-f]+) +(\w+) (\S+) +(\S+) +(\S+) +(?:\[[^\]]*\] +)?(\S+) ?(.*)$/gm;
  const rows = [...text.slice(start, next < 0 ? undefined : next).matchAll(row)].map((match) => {
    const [, value, size, type, bind, visibility, shndx, name = ''] = match;
    // readelf adds the number of the version to the names of undefined symbols.
    const plainName = table === 'dynsym' ? name.replace(/ \(\d+\)$/, '') : name;
    return `${fromHex(value)} ${Number(size)} ${type} ${bind} ${visibility} ${shndx} ${plainName}`;
  });
  // The null symbol.
  return rows.slice(1);
}

/**
 * The relocations as `offset type symbol addend`, sorted; the addend is empty for REL and RELR, where readelf shows none.
 *
 * Only the sections that are loaded count: readelf also shows what is for the linker.
 */
export function readRelocationRows(program: string, is64: boolean): string[] {
  const rows: string[] = [];
  let section = '';
  for (const line of runReadelf('--relocs', program).split('\n')) {
    section = /^Relocation section '(.*)' at/.exec(line)?.[1] ?? section;
    if (!/^\.rel[ar]?\.(?:dyn|plt)$/.test(section)) continue;
    const relr = section === '.relr.dyn' && /^([0-9a-f]{8,16})$/.exec(line);
    if (relr) rows.push(`${fromHex(relr[1])} 8 0 `);
    const match = /^([0-9a-f]{8,16}) +([0-9a-f]{8,16}) R_\w+ *(.*)$/.exec(line);
    if (!match) continue;
    const info = BigInt(`0x${match[2]}`);
    const type = is64 ? info & 0xffffffffn : info & 0xffn;
    const symbol = is64 ? info >> 32n : info >> 8n;
    rows.push(`${fromHex(match[1])} ${type} ${symbol} ${readAddend(match[3] ?? '', symbol !== 0n)}`);
  }
  return rows.sort();
}

/** The strings and numbers of the dynamic section by tag name, in order: `NEEDED libc.so.6`, `INIT 0x1000`, `INIT_ARRAYSZ 8`. */
export function readDynamicRows(program: string): string[] {
  const row = /^ 0x[0-9a-f]+ \((\w+)\) +(?:.*\[(.*)\]|Flags: (.*?)|(\S.*?)(?: \(bytes\))?) *$/gm;
  return [...runReadelf('--dynamic', program).matchAll(row)].map((match) => {
    const [, tag, text, flags, value] = match;
    return `${tag} ${text ?? flags ?? value}`;
  });
}

/** The build-id as readelf shows it; null when there is none. */
export function readBuildId(program: string): string | null {
  return /Build ID: ([0-9a-f]+)/.exec(runReadelf('--notes', program))?.[1] ?? null;
}

/** The notes as `owner descsz`, of segments or sections. */
export function readNoteRows(program: string): string[] {
  const row = /^ {2}(\S.*?) +0x([0-9a-f]{8})\t/gm;
  return [...runReadelf('--notes', program).matchAll(row)].map((match) => `${match[1]} ${fromHex(match[2])}`);
}

/** One FDE of `.eh_frame` as readelf shows it. */
export interface FrameRow {
  readonly start: number;
  readonly end: number;
  readonly isSignalFrame: boolean;
  /** The bytes of its augmentation data in hex, which hold the LSDA pointer. */
  readonly augmentation: string;
}

/** The FDEs of `.eh_frame` in file order. */
export function readFrameRows(program: string): FrameRow[] {
  const text = runReadelf('--debug-dump=frames,no-follow-links', program);
  const start = text.indexOf('Contents of the .eh_frame section');
  if (start < 0) return [];
  const next = text.indexOf('Contents of the', start + 1);
  const signalCies = new Set<string>();
  const rows: FrameRow[] = [];
  for (const record of text.slice(start, next < 0 ? undefined : next).split(/\n(?=[0-9a-f]{8,} )/)) {
    const cie = /^([0-9a-f]+) \w+ \w+ CIE[^]*?Augmentation: +"(\w*)"/.exec(record);
    if (cie?.[1] !== undefined && cie[2]?.includes('S')) signalCies.add(cie[1]);
    const fde = /FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)/.exec(record);
    if (!fde) continue;
    rows.push({
      start: fromHex(fde[2]),
      end: fromHex(fde[3]),
      isSignalFrame: signalCies.has(fde[1] ?? ''),
      augmentation: /Augmentation data: +([0-9a-f ]+)/.exec(record)?.[1]?.replaceAll(' ', '') ?? '',
    });
  }
  return rows;
}

function runReadelf(option: string, program: string): string {
  // It fails on a debug file, whose PT_INTERP has no contents, after all that it has to say.
  return runTool('readelf', ['--wide', option, program], { mayFail: true });
}

function readAddend(text: string, hasSymbol: boolean): string {
  const match = hasSymbol ? / ([+-]) ([0-9a-f]+)$/.exec(text) : /^()(-?[0-9a-f]+)$/.exec(text.trim());
  if (!match?.[2]) return '';
  const value = Number.parseInt(match[2], 16);
  return String(match[1] === '-' ? -value : value);
}

function fromHex(text: string | undefined): number {
  return Number.parseInt(text ?? '', 16);
}
