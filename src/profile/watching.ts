import type { Run } from './model.ts';

/** Whether a run watched processes, and says nothing of what else a program may do. */
export function isWatching(run: Run | undefined): boolean {
  return run !== undefined && run.method !== 'analyze' && run.method !== 'import';
}
