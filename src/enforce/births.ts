import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { ENOSYS, type Action } from '../policy/filter/action.ts';
import { createFilter, type Condition, type Filter, type Rule, type Section } from '../policy/filter/ir.ts';

const CLONE_UNTRACED = 0x00800000n;

/** The flags are the first argument on every arch; the kernel looks at the low half. */
const IS_UNTRACED: Condition = {
  arg: 0,
  width: 32,
  op: 'masked_eq',
  value: CLONE_UNTRACED,
  mask: CLONE_UNTRACED,
};

const MISSING: Action = { kind: 'errno', errno: ENOSYS };

/**
 * The same filter, under which no child is born that the tracer does not learn of: it would get no further filter, and nobody would know.
 *
 * `clone` with CLONE_UNTRACED fails with ENOSYS. So does `clone3`, whose flags stand behind a pointer, where other threads can change
 * them at any time; libraries then take `clone`, which is allowed in its place: it can do nothing that `clone3` cannot.
 */
export function keepInSight(filter: Filter): Filter {
  return createFilter({ ...filter, sections: filter.sections.map(keepSectionInSight) });
}

function keepSectionInSight(section: Section): Section {
  const clone = numberOf(section.arch, 'clone');
  const clone3 = numberOf(section.arch, 'clone3');
  const rules = section.rules.flatMap((rule): readonly Rule[] => {
    if (rule.action.kind !== 'allow') return [rule];
    if (rule.nr === clone3) return [{ ...rule, action: MISSING }];
    return rule.nr === clone ? [...untraced(rule), rule] : [rule];
  });
  const isOpen = section.rules.some(
    ({ nr, action, conditions }) => nr === clone3 && action.kind === 'allow' && conditions.length === 0,
  );
  if (!isOpen) return { ...section, rules };
  const open: Rule = { nr: clone, action: { kind: 'allow' }, conditions: [] };
  return { ...section, rules: [...untraced(open), open, ...rules] };
}

/** What is to come before a rule that allows `clone`; nothing where that does not allow the flag anyway. */
function untraced(rule: Rule): readonly Rule[] {
  const isExcluded = rule.conditions.some(({ arg, op, value, mask }) => {
    if (arg !== 0 || (value & CLONE_UNTRACED) !== 0n) return false;
    return op === 'eq' || (op === 'masked_eq' && ((mask ?? 0n) & CLONE_UNTRACED) !== 0n);
  });
  return isExcluded ? [] : [{ ...rule, action: MISSING, conditions: [...rule.conditions, IS_UNTRACED] }];
}

/** Every arch has both. */
function numberOf(arch: Arch, name: string): number {
  return syscallNumber(arch, name) as number;
}
