import type { Violation } from '../../trace/backend.ts';

/** A call of mkdir in the first phase that an audit lets pass, but for the fields given. */
export function sampleViolation(more: Partial<Violation> = {}): Violation {
  return {
    pid: 10,
    tid: 10,
    program: '/bin/tool',
    sets: [],
    phase: 0,
    arch: 'x86_64',
    nr: 83,
    args: [0n, 0n, 0n, 0n, 0n, 0n],
    at: 5,
    outcome: 'allowed',
    backtrace: [],
    ...more,
  };
}
