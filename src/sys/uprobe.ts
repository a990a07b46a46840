import { closeSync, readFileSync } from 'node:fs';
import { errnoText } from '../abi/errno.ts';
import { SystemCallError } from '../base/errors.ts';
import type { BpfLibc } from './bpf-libc.ts';
import { addressOf, type Libc } from './libc.ts';

/** Offsets in struct perf_event_attr, and its size up to them; source: include/uapi/linux/perf_event.h. */
const ATTR = { type: 0, size: 4, path: 56, offset: 64, end: 72 } as const;

const PERF_FLAG_FD_CLOEXEC = 8;
const PERF_EVENT_IOC_SET_BPF = 0x40042408;

/**
 * As `linkUprobe` of bpf.ts with a program of kind `perf-event`, for Linux before 6.6.
 *
 * @throws SystemCallError
 */
export function openUprobe(
  libc: Libc,
  bpfLibc: BpfLibc,
  program: number,
  path: string,
  offset: number,
): number {
  const type = Number(readFileSync('/sys/bus/event_source/devices/uprobe/type', 'latin1'));
  const attributes = new DataView(new ArrayBuffer(ATTR.end));
  const name = Buffer.from(`${path}\0`);
  attributes.setUint32(ATTR.type, type, true);
  attributes.setUint32(ATTR.size, ATTR.end, true);
  attributes.setBigUint64(ATTR.path, addressOf(name), true);
  attributes.setBigUint64(ATTR.offset, BigInt(offset), true);
  // The processor is that of the event, of which nothing is wanted; the program runs on all.
  // SAFETY: the attributes and the name outlive the call, in which the kernel copies both; `name` is used below.
  const fd = bpfLibc.perfEventOpen(attributes, 0, PERF_FLAG_FD_CLOEXEC);
  if (fd === -1) throw failure('perf_event_open', path, offset, libc.errno());
  name.fill(0);
  // SAFETY: both descriptors are open, and no memory is passed.
  if (bpfLibc.ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) === -1) {
    const errno = libc.errno();
    closeSync(fd);
    throw failure('PERF_EVENT_IOC_SET_BPF', path, offset, errno);
  }
  return fd;
}

function failure(request: string, path: string, offset: number, errno: number): SystemCallError {
  const name = errnoText(errno);
  return new SystemCallError(
    `${request}: nothing can be put at offset 0x${offset.toString(16)} of ${path}, ${name}`,
    {
      request,
      errno,
    },
  );
}
