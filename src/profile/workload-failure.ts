import type { ExitStatus, Run } from './model.ts';

/** Begins the warning of a run whose workload failed, or never ran. */
const NO_WORKLOAD = 'the workload did not run';

/** Begins the warning of a run whose workload had not ended in time. */
const CUT_WORKLOAD = 'the workload was cut off by --duration';

const CONSEQUENCE = 'the program may not have been exercised as it was meant to be';

/** The warning of a run whose workload ended so by itself, or null if it succeeded. */
export function describeWorkloadFailure(exit: ExitStatus): string | null {
  if (exit.kind === 'exited' && exit.code !== 0) return failed(`exit code ${exit.code}`);
  return exit.kind === 'signaled' ? failed(`killed by ${exit.signal}`) : null;
}

/** The warning of a run whose workload was never begun, for its trigger did not fire. */
export function describeMissingWorkload(trigger: string): string {
  return `${NO_WORKLOAD}, for the program ended before ${trigger} fired`;
}

/** The warning of a run whose workload was still at work when `--duration` was over. */
export function describeCutWorkload(duration: string): string {
  return `${CUT_WORKLOAD}, ${duration}: ${CONSEQUENCE}`;
}

/** Whether the program may not have done what it was meant to be recorded with. That the program ended before its workload, or that both were interrupted, is no failure. */
export function hasFailedWorkload({ workload, warnings }: Run): boolean {
  if (workload === undefined) return false;
  if (warnings.some((text) => text.startsWith(CUT_WORKLOAD))) return true;
  if (workload.exit === null) return warnings.some((text) => text.startsWith(NO_WORKLOAD));
  const warning = describeWorkloadFailure(workload.exit);
  return warning !== null && warnings.includes(warning);
}

function failed(how: string): string {
  return `the workload failed, ${how}: ${CONSEQUENCE}`;
}
