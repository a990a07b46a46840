import { closeSync, existsSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { cacheDirectory } from '../../base/cache-directory.ts';
import { UnsupportedError } from '../../base/errors.ts';
import { mapFile, openBpfLibc } from '../../sys/bpf-libc.ts';
import { advice, TRACE, type Asker } from './asker.ts';
import { loadKernelFields, readKernelBuildId, storeKernelFields } from './kernel-fields-cache.ts';
import { findKernelFields, type KernelFields } from './kernel-fields.ts';

const BTF = '/sys/kernel/btf/vmlinux';

/**
 * Where this kernel keeps what the programs read; looked up once, and kept for later traces.
 *
 * @throws UnsupportedError if it does not say, or lacks something
 */
export function readKernelFields(asker: Asker = TRACE): KernelFields {
  const kernel = existsSync(BTF) ? readKernelBuildId() : null;
  const directory = cacheDirectory('kernel');
  if (kernel === null || directory === null) return findFields(asker);
  const place = { directory, kernel };
  const known = loadKernelFields(place);
  if (known !== null) return known;
  const fields = findFields(asker);
  storeKernelFields(place, fields);
  return fields;
}

function findFields(asker: Asker): KernelFields {
  let fd: number;
  try {
    fd = openSync(BTF, 'r');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    const [what, hints] =
      reason === 'ENOENT'
        ? [`no ${BTF}, which eBPF tracing needs`, ['a kernel with CONFIG_DEBUG_INFO_BTF, and sysfs on /sys']]
        : [`cannot read ${BTF}, ${reason}`, []];
    throw new UnsupportedError(
      `${asker.command}: ${what}${advice(asker, hints, '--method seccomp does without')}`,
      { feature: 'BTF', minimumKernel: '5.4', cause: error },
    );
  }
  try {
    // Since Linux 6.16; the file is of several megabytes, and read() gives one page at a time.
    using mapped = mapFile(openBpfLibc(), fd, fstatSync(fd).size);
    return findKernelFields(mapped?.bytes ?? readFileSync(fd), asker);
  } finally {
    closeSync(fd);
  }
}
