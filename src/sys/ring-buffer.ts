import { errnoText } from '../abi/errno.ts';
import { SystemCallError } from '../base/errors.ts';
import type { BpfLibc } from './bpf-libc.ts';
import type { Libc } from './libc.ts';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const PAGE = 4096;

/** Bits of a record's length word; source: include/uapi/linux/bpf.h. */
const BUSY_BIT = 0x80000000;
const DISCARD_BIT = 0x40000000;
const HEADER = 8;

/**
 * Reads a BPF_MAP_TYPE_RINGBUF that the kernel's programs write.
 *
 * Its records stand in the order in which they were written, over all processors. Source of the layout:
 * Documentation/bpf/ringbuf.rst and kernel/bpf/ringbuf.c: a page with the consumer's position, a page with the producer's, and the
 * data, mapped twice in a row so that no record is torn.
 */
export class RingBuffer implements Disposable {
  readonly #bpfLibc: BpfLibc;
  readonly #size: number;
  readonly #consumerAddress: bigint;
  readonly #producerAddress: bigint;
  readonly #consumer: BigUint64Array;
  readonly #producer: BigUint64Array;
  readonly #lengths: Uint32Array;
  readonly #data: DataView;
  #position: bigint;

  /** Maps the buffer; `size` is that with which it was created. @throws SystemCallError */
  constructor(libc: Libc, bpfLibc: BpfLibc, fd: number, size: number) {
    this.#bpfLibc = bpfLibc;
    this.#size = size;
    // SAFETY: both mappings are shared with the kernel and unmapped by dispose; no view is used after that.
    this.#consumerAddress = bpfLibc.mmap(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (this.#consumerAddress === -1n) throw failure(libc.errno());
    this.#producerAddress = bpfLibc.mmap(PAGE + 2 * size, PROT_READ, MAP_SHARED, fd, PAGE);
    if (this.#producerAddress === -1n) {
      const errno = libc.errno();
      bpfLibc.munmap(this.#consumerAddress, PAGE);
      throw failure(errno);
    }
    this.#consumer = new BigUint64Array(bpfLibc.view(this.#consumerAddress, PAGE), 0, 1);
    const shared = bpfLibc.view(this.#producerAddress, PAGE + 2 * size);
    this.#producer = new BigUint64Array(shared, 0, 1);
    this.#lengths = new Uint32Array(shared, PAGE, (2 * size) / 4);
    this.#data = new DataView(shared, PAGE, 2 * size);
    this.#position = Atomics.load(this.#consumer, 0);
  }

  /** Where the next record will begin, of all that were ever written; for `drain`. */
  get end(): bigint {
    return Atomics.load(this.#producer, 0);
  }

  /**
   * Hands every record that is complete to `take`, in order; returns how many there were. The bytes are the kernel's
   * and will be overwritten: `take` copies what it wants to keep.
   *
   * @param limit an earlier {@link end}: later records are left
   */
  drain(take: (data: DataView, at: number, size: number) => void, limit: bigint | null = null): number {
    let count = 0;
    for (;;) {
      if (this.#position === Atomics.load(this.#producer, 0)) return count;
      if (limit !== null && this.#position >= limit) return count;
      const at = Number(this.#position & BigInt(this.#size - 1));
      const length = Atomics.load(this.#lengths, at / 4);
      // Still being written: what follows it has to wait for it.
      if ((length & BUSY_BIT) !== 0) return count;
      const size = length & ~DISCARD_BIT;
      if ((length & DISCARD_BIT) === 0) {
        take(this.#data, at + HEADER, size);
        count++;
      }
      this.#position += BigInt((size + HEADER + 7) & ~7);
      Atomics.store(this.#consumer, 0, this.#position);
    }
  }

  [Symbol.dispose](): void {
    this.#bpfLibc.munmap(this.#producerAddress, PAGE + 2 * this.#size);
    this.#bpfLibc.munmap(this.#consumerAddress, PAGE);
  }
}

function failure(errno: number): SystemCallError {
  return new SystemCallError(`mmap: cannot map the ring buffer, ${errnoText(errno)}`, {
    request: 'mmap',
    errno,
  });
}
