import type { MethodSpec } from './experiment.ts';
import type { StudyRun } from './ledger.ts';
import type { Workload } from './workload/model.ts';

/** What every method needs to be run on a program. */
export interface MethodContext {
  readonly workload: Workload;
  /** Path of the `callgate` command. */
  readonly callgate: string;
  /** An empty folder for whatever the method writes; it is kept as raw data. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** What a method found and what it cost. */
export type MethodOutcome = Pick<StudyRun, 'wall' | 'cost' | 'sets' | 'unresolved' | 'failures'>;

/** A way to find out what a program needs: one small file in `methods/`. */
export interface Method<Kind extends MethodSpec['kind']> {
  readonly kind: Kind;
  run(spec: Extract<MethodSpec, { kind: Kind }>, context: MethodContext): Promise<MethodOutcome>;
}
