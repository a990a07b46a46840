import { CallgateError } from '../../base/errors.ts';

/** A workload cannot be run: the program or a port is missing, its preparation failed. What its cases do is data. */
export class WorkloadError extends CallgateError {
  readonly code = 'ERR_WORKLOAD';
}
