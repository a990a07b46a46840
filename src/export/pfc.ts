import { formatFilter } from '../policy/filter/pfc.ts';
import type { Exporter } from './exporter.ts';
import { nameOrNumber, selectedFilter } from './selected-filter.ts';

/** The filter as pseudo code: what libseccomp calls pseudo filter code. */
export const PFC: Exporter = {
  name: 'pfc',
  description: 'readable: the rules of the filter, one a line',
  fileName: 'filter.pfc',
  write: (selection) => ({
    content: formatFilter(selectedFilter(selection), nameOrNumber),
    losses: [],
    usage: '',
  }),
};
