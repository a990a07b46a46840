import type { Run } from '../profile/model.ts';

/** Methods that watch a program from where it is started or attached to. */
const WATCHING: ReadonlySet<string> = new Set(['seccomp', 'ptrace', 'adaptive', 'ebpf']);

/** Whether a run watched processes, and says nothing of what else a program may do. */
export function isWatching(run: Run | undefined): boolean {
  return run !== undefined && WATCHING.has(run.method);
}
