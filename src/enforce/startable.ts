import { PolicyError } from '../policy/filter/policy-error.ts';
import type { Policy } from '../policy/model.ts';

/**
 * Refuses a policy under which no program could be started: the filter is in force before the program is executed.
 *
 * @throws PolicyError
 */
export function checkStartable({ phases, onViolation }: Policy): void {
  const first = phases[0];
  if (onViolation === 'log' || first === undefined) return;
  if (first.calls.some(({ arch, name }) => arch === 'x86_64' && name === 'execve')) return;
  throw new PolicyError(
    `policy: phase ${first.name} does not allow execve, so the program could not be started (add it to the phase)`,
    '/phases/0/calls',
  );
}
