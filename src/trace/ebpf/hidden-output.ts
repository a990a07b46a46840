import type { TraceeMemory } from '../../sys/memory.ts';
import type { EbpfEvent } from './events.ts';
import { IOVEC, OUTPUT_CAP, VECTOR_CAP } from './layout.ts';

/**
 * What a process has written from pages that neither it nor the kernel had touched: reading them from outside brings them in.
 * Null if not all of it can be read, for the process is gone.
 */
export function readHiddenOutput(
  memory: TraceeMemory,
  { tgid, isVector, first, address, length }: Extract<EbpfEvent, { kind: 'hiddenOutput' }>,
): readonly Uint8Array[] | null {
  if (!isVector) return readAll(memory, tgid, [{ address, length }]);
  const buffers: Buffer[] = [];
  for (let index = first; index < Math.min(Number(length), VECTOR_CAP); index++) {
    const at = address + BigInt(index * IOVEC.size);
    const base = memory.readWord(tgid, at + BigInt(IOVEC.base));
    const size = memory.readWord(tgid, at + BigInt(IOVEC.length));
    if (base === null || size === null) return null;
    buffers.push({ address: base, length: size });
  }
  return readAll(memory, tgid, buffers);
}

interface Buffer {
  readonly address: bigint;
  readonly length: bigint;
}

function readAll(memory: TraceeMemory, pid: number, buffers: readonly Buffer[]): Uint8Array[] | null {
  const texts: Uint8Array[] = [];
  for (const { address, length } of buffers) {
    if (length === 0n) continue;
    const text = memory.read(pid, address, Math.min(Number(length), OUTPUT_CAP));
    if (text === null) return null;
    texts.push(text);
  }
  return texts;
}
