import {
  checkOptions,
  requireBoolean,
  requireList,
  requireOneOf,
  requireText,
  wrongType,
  type Checks,
} from '../base/option-checks.ts';
import { parseRange } from './kernel-release.ts';
import { RUNTIMES, STRICTNESSES } from './model.ts';

const BUILD_CHECKS: Checks = {
  strict: (who, name, value) => requireOneOf(who, name, value, STRICTNESSES),
  portable: checkPortable,
  vdso: requireBoolean,
  chance: requireBoolean,
  runtimes: checkRuntimes,
  args: requireBoolean,
  onViolation: requireText,
  respawn: requireBoolean,
  onePhase: requireBoolean,
  unresolved: (who, name, value) => requireOneOf(who, name, value, ['fail', 'accept']),
  perProgram: requireBoolean,
};

/**
 * Checks what a policy is to be like: another strictness than was meant, for one, would be told nowhere.
 *
 * @throws UsageError
 */
export function checkBuildOptions(who: string, options: unknown): void {
  checkOptions(who, options, BUILD_CHECKS);
}

function checkPortable(who: string, name: string, value: unknown): void {
  if (value === null) return;
  const { from, to } = (typeof value === 'object' ? value : {}) as Record<string, unknown>;
  if (typeof from === 'string' && typeof to === 'string' && parseRange(`${from}..${to}`) !== null) return;
  throw wrongType(who, name, "a range of kernels such as { from: '5.10', to: '6.12' }", value);
}

function checkRuntimes(who: string, name: string, value: unknown): void {
  requireList(who, name, value);
  for (const [index, runtime] of value.entries()) requireOneOf(who, `${name}[${index}]`, runtime, RUNTIMES);
}
