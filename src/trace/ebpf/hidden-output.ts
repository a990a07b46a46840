import type { TraceeMemory } from '../../sys/memory.ts';
import type { EbpfEvent } from './events.ts';
import { IOVEC, OUTPUT_CAP, VECTOR_CAP } from './layout.ts';

/** What could be read, and whether that is all. */
export interface HiddenOutput {
  readonly texts: readonly Uint8Array[];
  readonly isWhole: boolean;
}

/** What a process has written from pages that neither it nor the kernel had touched: reading them from outside brings them in. */
export function readHiddenOutput(
  memory: TraceeMemory,
  event: Extract<EbpfEvent, { kind: 'hiddenOutput' }>,
): HiddenOutput {
  const { tid, tgid } = event;
  // A thread that has ended has no memory: the one that wrote may be gone as well as the first one, and the process go on.
  const output = readFrom(memory, tid, event);
  return output.texts.length > 0 || output.isWhole || tid === tgid ? output : readFrom(memory, tgid, event);
}

interface Buffer {
  readonly address: bigint;
  readonly length: bigint;
}

function readFrom(
  memory: TraceeMemory,
  tid: number,
  { isVector, first, address, length }: Extract<EbpfEvent, { kind: 'hiddenOutput' }>,
): HiddenOutput {
  if (!isVector) return readAll(memory, tid, [{ address, length }]);
  const buffers: Buffer[] = [];
  for (let index = first; index < Math.min(Number(length), VECTOR_CAP); index++) {
    const at = address + BigInt(index * IOVEC.size);
    const base = memory.readWord(tid, at + BigInt(IOVEC.base));
    const size = memory.readWord(tid, at + BigInt(IOVEC.length));
    if (base === null || size === null) return { texts: [], isWhole: false };
    buffers.push({ address: base, length: size });
  }
  return readAll(memory, tid, buffers);
}

function readAll(memory: TraceeMemory, tid: number, buffers: readonly Buffer[]): HiddenOutput {
  const texts: Uint8Array[] = [];
  for (const { address, length } of buffers) {
    if (length === 0n) continue;
    const size = Math.min(Number(length), OUTPUT_CAP);
    const text = memory.read(tid, address, size);
    if (text !== null) texts.push(text);
    if (text === null || text.length < size) return { texts, isWhole: false };
  }
  return { texts, isWhole: true };
}
