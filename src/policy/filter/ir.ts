import { ARCHES, type Arch } from '../../abi/arch.ts';
import { ENOSYS, KILL_PROCESS, MAX_ERRNO, type Action } from './action.ts';
import { PolicyError } from './policy-error.ts';

/** How an argument is compared; all comparisons are unsigned, `masked_eq` is `(argument & mask) == value`. */
export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'masked_eq';

/** Every comparison. */
export const COMPARISONS: readonly Comparison[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'masked_eq'];

/**
 * One comparison of one argument with a constant.
 *
 * Width 32 looks at the low half only, which is right for int arguments: the upper half of their register is
 * whatever the program left there. Neither can see what a pointer points to.
 */
export interface Condition {
  /** Argument position, 0 to 5. */
  readonly arg: number;
  readonly width: 32 | 64;
  readonly op: Comparison;
  /** Below 2^width; for `masked_eq` without bits outside `mask`. */
  readonly value: bigint;
  /** Present for `masked_eq` only; not 0 and below 2^width. */
  readonly mask?: bigint;
}

/**
 * What to do with one number if all conditions hold.
 *
 * Rules for the same number are alternatives: the first one, in the order of the list, whose conditions all
 * hold decides. Those after a rule without conditions are never reached.
 */
export interface Rule {
  /** System call number without bit 30, 0 to MAX_NR. */
  readonly nr: number;
  readonly action: Action;
  readonly conditions: readonly Condition[];
}

/** What to do with the calls of one arch. */
export interface Section {
  readonly arch: Arch;
  readonly rules: readonly Rule[];
  /** For calls up to `newestKnown` that no rule decides. */
  readonly default: Action;
  /** Highest number that the author of the filter knew of. */
  readonly newestKnown: number;
  /** For calls above `newestKnown` that no rule decides; negative numbers other than -1 are among them. */
  readonly newer: Action;
}

/** The fields of a filter. */
export interface FilterBody {
  /** At most one per arch. */
  readonly sections: readonly Section[];
  /** For calls with an AUDIT_ARCH that no section has. */
  readonly mismatch: Action;
  /** For x32 numbers if x86_64 has a section and x32 has none, and the other way round. */
  readonly foreign: Action;
  /**
   * For the number -1, which is how a tracer says that no call is to be made.
   *
   * It is no x32 number although bit 30 is set in it: the kernel takes the number as an int and makes no call
   * for -1, under no arch. The filter runs after the tracer, so any other action than `allow` would undo what
   * the tracer did; allowed, it does nothing and gives ENOSYS (syscall(2), seccomp(2), do_syscall_64 of
   * arch/x86/entry).
   */
  readonly skipped: Action;
}

declare const checked: unique symbol;

/** A filter that `createFilter` has checked: every later stage can rely on it. */
export type Filter = FilterBody & { readonly [checked]: true };

/** A rule as it is written: no conditions means always. */
export type RuleSpec = Pick<Rule, 'nr' | 'action'> & Partial<Pick<Rule, 'conditions'>>;

/** A section as it is written: without `newestKnown` every number is known, `newer` is errno ENOSYS. */
export type SectionSpec = Pick<Section, 'arch' | 'default'> &
  Partial<Pick<Section, 'newestKnown' | 'newer'>> & { readonly rules: readonly RuleSpec[] };

/** A filter as it is written: `mismatch` and `foreign` are kill_process, `skipped` is allow unless given. */
export type FilterSpec = Partial<Omit<FilterBody, 'sections'>> & {
  readonly sections: readonly SectionSpec[];
};

/** Highest system call number; bit 30 and above are not part of it. */
export const MAX_NR = 0x3fffffff;

/**
 * Checks the description of a filter and fills in what it leaves out; the result is a deep copy.
 *
 * @throws {PolicyError} with the path of the first thing that is wrong.
 */
export function createFilter(spec: FilterSpec): Filter {
  if (spec.sections.length === 0)
    throw new PolicyError('filter: no sections, one or more are needed', '/sections');
  const seen = new Set<Arch>();
  const sections = spec.sections.map((section, index) => {
    const path = `/sections/${index}`;
    if (!ARCHES.includes(section.arch)) {
      throw new PolicyError(
        `filter: section ${index} has unknown arch ${String(section.arch)}`,
        `${path}/arch`,
      );
    }
    if (seen.has(section.arch)) {
      throw new PolicyError(
        `filter: section ${index} is a second one for arch ${section.arch}`,
        `${path}/arch`,
      );
    }
    seen.add(section.arch);
    return createSection(section, path);
  });
  const body: FilterBody = {
    sections,
    mismatch: checkAction(spec.mismatch ?? KILL_PROCESS, '/mismatch'),
    foreign: checkAction(spec.foreign ?? KILL_PROCESS, '/foreign'),
    skipped: checkAction(spec.skipped ?? { kind: 'allow' }, '/skipped'),
  };
  return body as Filter;
}

function createSection(spec: SectionSpec, path: string): Section {
  const newestKnown = spec.newestKnown ?? MAX_NR;
  checkInteger(newestKnown, MAX_NR, 'newest known number', `${path}/newestKnown`);
  return {
    arch: spec.arch,
    rules: spec.rules.map((rule, index) => createRule(rule, `${path}/rules/${index}`)),
    default: checkAction(spec.default, `${path}/default`),
    newestKnown,
    newer: checkAction(spec.newer ?? { kind: 'errno', errno: ENOSYS }, `${path}/newer`),
  };
}

function createRule(spec: RuleSpec, path: string): Rule {
  checkInteger(spec.nr, MAX_NR, 'number', `${path}/nr`);
  return {
    nr: spec.nr,
    action: checkAction(spec.action, `${path}/action`),
    conditions: (spec.conditions ?? []).map((condition, index) =>
      checkCondition(condition, `${path}/conditions/${index}`),
    ),
  };
}

function checkCondition(condition: Condition, path: string): Condition {
  const { arg, width, op, value, mask } = condition;
  checkInteger(arg, 5, 'argument', `${path}/arg`);
  if (width !== 32 && width !== 64) {
    throw new PolicyError(`filter: width ${String(width)} (32 or 64)`, `${path}/width`);
  }
  if (!COMPARISONS.includes(op))
    throw new PolicyError(`filter: unknown comparison ${String(op)}`, `${path}/op`);
  checkOperand(value, width, 'value', `${path}/value`);
  if (op !== 'masked_eq') {
    if (mask !== undefined) throw new PolicyError(`filter: comparison ${op} takes no mask`, `${path}/mask`);
    return { arg, width, op, value };
  }
  if (mask === undefined) throw new PolicyError('filter: comparison masked_eq needs a mask', `${path}/mask`);
  checkOperand(mask, width, 'mask', `${path}/mask`);
  if (mask === 0n) throw new PolicyError('filter: mask is 0, which every argument matches', `${path}/mask`);
  if ((value & ~mask) !== 0n) {
    throw new PolicyError(
      `filter: value 0x${value.toString(16)} can never match, it has bits outside the mask (0x${mask.toString(16)})`,
      `${path}/value`,
    );
  }
  return { arg, width, op, value, mask };
}

function checkAction(action: Action, path: string): Action {
  switch (action.kind) {
    case 'errno':
      checkInteger(action.errno, MAX_ERRNO, 'errno', `${path}/errno`);
      return { kind: 'errno', errno: action.errno };
    case 'trace':
      checkInteger(action.data, 0xffff, 'trace data', `${path}/data`);
      return { kind: 'trace', data: action.data };
    case 'kill_process':
    case 'kill_thread':
    case 'trap':
    case 'user_notif':
    case 'log':
    case 'allow':
      return { kind: action.kind };
    default:
      throw new PolicyError(`filter: unknown action ${String((action as Action).kind)}`, path);
  }
}

function checkInteger(value: number, max: number, what: string, path: string): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new PolicyError(`filter: ${what} ${String(value)} is not an integer in range (0 to ${max})`, path);
  }
}

function checkOperand(value: bigint, width: 32 | 64, what: string, path: string): void {
  if (typeof value !== 'bigint' || value < 0n || value >= 1n << BigInt(width)) {
    throw new PolicyError(`filter: ${what} ${String(value)} does not fit in ${width} bits`, path);
  }
}
