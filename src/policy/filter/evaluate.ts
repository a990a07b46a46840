import { AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import type { Action } from './action.ts';
import type { Condition, Filter, Section } from './ir.ts';
import type { SeccompData } from './seccomp-data.ts';

/** The action that a filter means for a call; compiled programs must agree with it. */
export function evaluateFilter(filter: Filter, data: SeccompData): Action {
  const candidates = filter.sections.filter((section) => AUDIT_ARCH[section.arch] === data.arch >>> 0);
  if (candidates.length === 0) return filter.mismatch;
  const { nr, x32 } = splitNumber(data);
  if (nr === 0xffffffff) return filter.skipped;
  const section = candidates.find(({ arch }) => (arch === 'x32') === x32);
  return section === undefined ? filter.foreign : evaluateSection(section, nr, data.args);
}

/** Whether a condition holds for the six arguments of a call. */
export function holds(condition: Condition, args: readonly bigint[]): boolean {
  const argument = BigInt.asUintN(condition.width, args[condition.arg] ?? 0n);
  const { value } = condition;
  switch (condition.op) {
    case 'eq':
      return argument === value;
    case 'ne':
      return argument !== value;
    case 'lt':
      return argument < value;
    case 'le':
      return argument <= value;
    case 'gt':
      return argument > value;
    case 'ge':
      return argument >= value;
    case 'masked_eq':
      return (argument & condition.mask!) === value;
  }
}

/**
 * The arch and the number without bit 30 of a call as the kernel saw it, or null if the number is negative or
 * the arch is none of callgate's.
 */
export function identifyCall(nr: number, auditArch: number): { arch: Arch; nr: number } | null {
  const split = splitNumber({ nr, arch: auditArch });
  if (split.nr > 0x7fffffff) return null;
  if (auditArch === AUDIT_ARCH.x86_64) return { arch: split.x32 ? 'x32' : 'x86_64', nr: split.nr };
  if (auditArch === AUDIT_ARCH.i386) return { arch: 'i386', nr: split.nr };
  if (auditArch === AUDIT_ARCH.aarch64) return { arch: 'aarch64', nr: split.nr };
  return null;
}

/** Negative numbers have bit 30 set as well, yet do_syscall_x32 of arch/x86/entry does not take them. */
function splitNumber(data: Pick<SeccompData, 'nr' | 'arch'>): { nr: number; x32: boolean } {
  const nr = data.nr >>> 0;
  const x32 = data.arch >>> 0 === AUDIT_ARCH.x86_64 && nr >= X32_SYSCALL_BIT && nr <= 0x7fffffff;
  return { nr: x32 ? nr - X32_SYSCALL_BIT : nr, x32 };
}

function evaluateSection(section: Section, nr: number, args: readonly bigint[]): Action {
  for (const rule of section.rules) {
    if (rule.nr === nr && rule.conditions.every((condition) => holds(condition, args))) return rule.action;
  }
  return nr > section.newestKnown ? section.newer : section.default;
}
