import type { Policy } from '../policy/model.ts';
import { compileFilter } from '../policy/filter/compile.ts';
import { encodeProgram } from '../policy/filter/cbpf.ts';
import { createFilter, type Filter } from '../policy/filter/ir.ts';
import type { Action } from '../policy/filter/action.ts';
import { lowerPolicy } from '../policy/lower.ts';
import type { PhaseFilter } from '../trace/backend.ts';
import { STOP_DATA } from '../trace/seccomp-filters.ts';
import { keepInSight } from './births.ts';

/**
 * All filters of a policy as the kernel takes them, by phase and program.
 *
 * For an audit, what a filter would deny is stopped for the tracer instead, whatever the policy would do to it. Where processes are
 * followed, for an audit or for a narrower filter that is to come, none of the filters lets a child be born untraced.
 *
 * @throws PolicyError if a set cannot be expressed, or needs more than 4096 instructions
 */
export function compilePolicy(policy: Policy, audit: boolean): PhaseFilter[] {
  const isFollowed = audit || isSwitched(policy);
  return policy.phases.flatMap(({ name, programs }, phase) =>
    [null, ...programs].map((program): PhaseFilter => {
      const lowered = lowerPolicy(policy, name, program);
      const filter = audit ? rehearse(lowered) : lowered;
      return {
        phase,
        program: program === null ? null : { path: program.path, buildId: program.buildId },
        filter: encodeProgram(compileFilter(isFollowed ? keepInSight(filter) : filter)),
      };
    }),
  );
}

/** Whether a process may get a further filter later on. Not one that denies anything, under `log`. */
function isSwitched({ phases, onViolation }: Policy): boolean {
  return onViolation !== 'log' && (phases.length > 1 || phases.some(({ programs }) => programs.length > 0));
}

/** The same filter with a stop for the tracer in place of every denial. */
function rehearse(filter: Filter): Filter {
  const soften = (action: Action): Action =>
    action.kind === 'allow' ? action : { kind: 'trace', data: STOP_DATA };
  return createFilter({
    sections: filter.sections.map((section) => ({
      ...section,
      default: soften(section.default),
      newer: soften(section.newer),
      rules: section.rules.map((rule) => ({ ...rule, action: soften(rule.action) })),
    })),
    mismatch: soften(filter.mismatch),
    foreign: soften(filter.foreign),
    skipped: filter.skipped,
  });
}
