import { closeSync } from 'node:fs';
import { addressOf, type Libc } from './libc.ts';
import type { Answer } from './probe-facts.ts';
import type { ProbeLibc } from './probe-libc.ts';

const BPF_MAP_CREATE = 0;
const BPF_PROG_LOAD = 5;
const BPF_MAP_LOOKUP_AND_DELETE_ELEM = 21;
const BPF_MAP_TYPE_HASH = 1;
const BPF_PROG_TYPE_RAW_TRACEPOINT = 17;
const ENOENT = 2;

/**
 * *(u64 *)(r10 - 8) = 0; r1 = 1; r1 = atomic_fetch_add(r10 - 8, r1); r0 = 0; exit. The atomic operation is from Linux 5.12. Source:
 * include/uapi/linux/bpf.h.
 */
const FETCH_AND_RETURN = [
  [0x7a, 0x0a, 0xf8, 0xff, 0, 0, 0, 0],
  [0xb7, 0x01, 0, 0, 1, 0, 0, 0],
  [0xdb, 0x1a, 0xf8, 0xff, 1, 0, 0, 0],
  [0xb7, 0, 0, 0, 0, 0, 0, 0],
  [0x95, 0, 0, 0, 0, 0, 0, 0],
].flat();

/** Size of the parts of union bpf_attr that these commands have had from the start. */
const ATTRIBUTES_SIZE = 48;

/**
 * Tries what tracing by eBPF needs of bpf(2): loads a raw tracepoint program and closes it again, which is never attached, so that nothing
 * runs; and takes a key out of a map, which is possible from Linux 5.14 on.
 */
export function probeBpf(libc: Libc, probes: ProbeLibc): Answer {
  const program = Uint8Array.from(FETCH_AND_RETURN);
  const license = Buffer.from('GPL\0');
  const attributes = new DataView(new ArrayBuffer(ATTRIBUTES_SIZE));
  attributes.setUint32(0, BPF_PROG_TYPE_RAW_TRACEPOINT, true);
  attributes.setUint32(4, program.length / 8, true);
  attributes.setBigUint64(8, addressOf(program), true);
  attributes.setBigUint64(16, addressOf(license), true);
  // SAFETY: `program` and `license` are referenced again below, after the kernel has read them.
  const fd = probes.bpf(BPF_PROG_LOAD, attributes, ATTRIBUTES_SIZE);
  const errno = fd === -1 ? libc.errno() : 0;
  program.fill(0);
  license.fill(0);
  if (fd === -1) return { kind: 'error', errno };
  closeSync(fd);
  return probeTaking(libc, probes);
}

function probeTaking(libc: Libc, probes: ProbeLibc): Answer {
  const map = new DataView(new ArrayBuffer(ATTRIBUTES_SIZE));
  // Type, size of a key, size of a value, entries.
  for (const [index, value] of [BPF_MAP_TYPE_HASH, 4, 4, 1].entries()) map.setUint32(index * 4, value, true);
  const fd = probes.bpf(BPF_MAP_CREATE, map, ATTRIBUTES_SIZE);
  if (fd === -1) return { kind: 'error', errno: libc.errno() };
  const [key, value] = [new Uint8Array(4), new Uint8Array(4)];
  const element = new DataView(new ArrayBuffer(ATTRIBUTES_SIZE));
  element.setUint32(0, fd, true);
  element.setBigUint64(8, addressOf(key), true);
  element.setBigUint64(16, addressOf(value), true);
  // SAFETY: `key` and `value` are referenced again below, after the kernel is done with them.
  const result = probes.bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, element, ATTRIBUTES_SIZE);
  const errno = result === -1 ? libc.errno() : 0;
  key.fill(0);
  value.fill(0);
  closeSync(fd);
  // There is nothing in it.
  return errno === ENOENT ? { kind: 'value', value: 0 } : { kind: 'error', errno };
}
