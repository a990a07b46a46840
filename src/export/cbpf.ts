import { encodeProgram } from '../policy/filter/cbpf.ts';
import { compileFilter } from '../policy/filter/compile.ts';
import type { Exporter } from './exporter.ts';
import { selectedFilter } from './selected-filter.ts';

/** The compiled filter as the kernel takes it: an array of struct sock_filter, little-endian. */
export const CBPF: Exporter = {
  name: 'cbpf',
  description: 'raw cBPF program (struct sock_filter[]), for bubblewrap --seccomp FD and the like',
  fileName: 'filter.bpf',
  write: (selection) => ({
    content: encodeProgram(compileFilter(selectedFilter(selection))),
    losses: [],
    usage: '',
  }),
};
