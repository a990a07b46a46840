import type { Arch } from '../abi/arch.ts';
import { PolicyError } from '../policy/filter/policy-error.ts';
import type { Policy } from '../policy/model.ts';

/** Programs are started from 64-bit code, whatever they are themselves. */
const NATIVE: Arch = 'x86_64';

/**
 * Refuses a policy under which no program could be started: the filter is in force before the program is executed.
 *
 * @throws PolicyError
 */
export function checkStartable({ arches, phases, onViolation }: Policy): void {
  const first = phases[0];
  if (onViolation === 'log' || first === undefined) return;
  if (first.calls.some(({ arch, name }) => arch === NATIVE && name === 'execve')) return;
  const named = arches.map(({ arch }) => arch);
  if (!named.includes(NATIVE)) {
    throw new PolicyError(
      `policy: it has no calls of ${NATIVE}, only of ${named.join(', ')}, so the program could not be started (make one on this machine, or add ${NATIVE} to arches and its calls to the phases)`,
      '/arches',
    );
  }
  // As the document would have it: a name alone is one of its first arch.
  const execve = named[0] === NATIVE ? 'execve' : `${NATIVE}:execve`;
  throw new PolicyError(
    `policy: phase ${first.name} does not allow ${execve}, so the program could not be started (add it to the phase)`,
    '/phases/0/calls',
  );
}

/** Arches whose programs this machine can run. */
const OWN: ReadonlySet<Arch> = new Set(['x86_64', 'i386', 'x32']);

/**
 * Refuses to rehearse a policy that has no calls of this machine: everything would be outside of it.
 *
 * @throws PolicyError
 */
export function checkRehearsable({ arches }: Policy): void {
  if (arches.some(({ arch }) => OWN.has(arch))) return;
  const others = arches.map(({ arch }) => arch).join(' and ');
  throw new PolicyError(`policy: the policy is for ${others}, this machine is x86_64`, '/arches');
}
