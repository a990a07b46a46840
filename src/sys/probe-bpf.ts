import { closeSync } from 'node:fs';
import { addressOf, type Libc } from './libc.ts';
import type { Answer } from './probe-facts.ts';
import type { ProbeLibc } from './probe-libc.ts';

const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_RAW_TRACEPOINT = 17;

/** r0 = 0; exit. Source: include/uapi/linux/bpf.h. */
const RETURN_ZERO = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/** Size of the part of union bpf_attr that BPF_PROG_LOAD has had from the start. */
const ATTRIBUTES_SIZE = 48;

/** Loads a raw tracepoint program and closes it again; it is never attached, so nothing runs. */
export function probeBpf(libc: Libc, probes: ProbeLibc): Answer {
  const program = Uint8Array.from(RETURN_ZERO);
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
  return { kind: 'value', value: 0 };
}
