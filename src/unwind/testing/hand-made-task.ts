import type { CodeMapping } from '../code-mapping.ts';
import { type Cpu, X86_64 } from '../cpu.ts';
import { MemoryView, type ReadMemory } from '../memory-view.ts';
import type { StoppedTask } from '../unwinder.ts';

/** Memory that has only what was put there, byte by byte; pages without any cannot be read. */
export class HandMadeMemory {
  readonly #pages = new Map<number, Uint8Array>();

  readonly read: ReadMemory = (address, length) => {
    const page = this.#pages.get(Number(address / 4096n));
    return page?.subarray(Number(address % 4096n)).subarray(0, length) ?? null;
  };

  put(address: number, bytes: readonly number[]): this {
    for (const [index, byte] of bytes.entries()) {
      const at = address + index;
      const page = this.#pages.get(Math.floor(at / 4096)) ?? new Uint8Array(4096);
      this.#pages.set(Math.floor(at / 4096), page);
      page[at % 4096] = byte;
    }
    return this;
  }

  /** Puts words from an address upwards. */
  words(address: number, values: readonly (number | bigint)[], wordSize: 4 | 8 = 8): this {
    for (const [index, value] of values.entries()) {
      const bytes = new Uint8Array(BigUint64Array.of(BigInt(value)).buffer).subarray(0, wordSize);
      this.put(address + index * wordSize, [...bytes]);
    }
    return this;
  }

  get view(): MemoryView {
    return new MemoryView(this.read);
  }
}

/** A task that is stopped with some registers, by DWARF number; the others are 0. */
export function handMadeTask(
  memory: HandMadeMemory,
  registers: { readonly [register: number]: number | bigint },
  mappings: readonly CodeMapping[],
  cpu: Cpu = X86_64,
): StoppedTask {
  const words = new BigUint64Array(27);
  for (const [register, value] of Object.entries(registers)) {
    words[cpu.userRegisters[Number(register)] as number] = BigInt(value);
  }
  words[17] = cpu === X86_64 ? 0x33n : 0x23n;
  return { registers: words, read: memory.read, mappings };
}
