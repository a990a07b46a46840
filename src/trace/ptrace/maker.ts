import type { ProcessRecord } from '../recorder.ts';

/** The process that forked this one, before all of its execs; null for a root. */
export function makerOf(process: ProcessRecord): ProcessRecord | null {
  let first = process;
  while (first.birth === 'exec' && first.parent !== null) first = first.parent;
  return first.parent;
}
