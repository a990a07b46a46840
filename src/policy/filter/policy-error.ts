import { CallgateError } from '../../base/errors.ts';

/**
 * A filter that cannot be: a value out of range, two sections for one arch, a program that is too large.
 *
 * `path` is a JSON pointer into the description of the filter, such as `/sections/0/rules/3/nr`; the empty
 * string means the whole of it.
 */
export class PolicyError extends CallgateError {
  readonly code = 'ERR_POLICY';
  readonly path: string;

  constructor(message: string, path: string) {
    super(message);
    this.path = path;
  }
}
