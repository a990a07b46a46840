import { UnsupportedError } from '../base/errors.ts';
import type { PolicyArgument, PolicyCall } from '../policy/model.ts';
import { listAlternatives, maskOf } from './alternatives.ts';
import type { Exporter, Loss } from './exporter.ts';
import { droppedArguments, otherArches, unnamedCalls } from './losses.ts';
import { describeSelection, type Violation } from './selection.ts';

/** Combinations of bits that do not matter, beyond which they are not spelled out. */
const FREE_BITS_CAP = 6;

/**
 * Policy for minijail0 -S; source: minijail0(5).
 *
 * Every rule is `NAME: 1`, `NAME: ARGUMENT RULES` or `NAME: return ERRNO`; what has no rule is killed.
 */
export const MINIJAIL: Exporter = {
  name: 'minijail',
  description: 'minijail: policy for minijail0 -S FILE',
  fileName: 'seccomp.policy',
  write: (selection) => {
    const section = selection.arches[0]!;
    if (section.arch === 'x32') {
      throw new UnsupportedError('minijail: no arch that it has, x32 (x86_64, i386, aarch64)', {
        feature: 'minijail',
      });
    }
    const losses: Loss[] = [...unnamedCalls({ ...selection, arches: [section] })];
    const { violation } = selection;
    const denied = violation.kind === 'errno' ? `; return ${violation.errno}` : '';
    const rules = section.allowed.flatMap((call) => {
      if (call.name === null) return [];
      const expression = writeExpression(call, losses);
      return [`${call.name}: ${expression === '1' ? expression : `${expression}${denied}`}`];
    });
    // Names of newer calls would make minijail refuse the whole policy.
    const missing = section.enosys.flatMap(({ name }) => (name === null ? [] : [`${name}: return 38`]));
    losses.push(
      ...describeDefault(violation),
      ...dirtyHalves(section.allowed),
      ...otherArches(selection, section),
    );
    if (!isKill(violation) && section.newer.length > 0) {
      losses.push({
        kind: 'stricter',
        text: 'calls newer than the policy kill the process instead of failing with ENOSYS',
      });
    }
    const lines = [...describeSelection(selection).map((line) => `# ${line}`), ...rules, ...missing];
    return { content: `${lines.join('\n')}\n`, losses, usage: '' };
  },
};

/** An or of ands; `1` for any arguments. */
function writeExpression(call: PolicyCall, losses: Loss[]): string {
  const args = call.args.flatMap((argument) => {
    const written = spellOut(argument);
    if (written === null) losses.push(...droppedArguments(call, [argument.index]));
    return written ?? [];
  });
  const { list, dropped } = listAlternatives({ args });
  losses.push(...droppedArguments(call, dropped));
  const groups = list.map((conditions) =>
    conditions
      .map(({ arg, value, op, mask, width }) =>
        op === 'eq'
          ? `arg${arg} == 0x${value.toString(16)}`
          : `arg${arg} in 0x${(~mask! & ((1n << BigInt(width)) - 1n)).toString(16)}`,
      )
      .join(' && '),
  );
  return groups.includes('') ? '1' : groups.join(' || ');
}

/** Bits that may be set or not are written by `in` if all others must be clear, else as every combination. */
function spellOut(argument: PolicyArgument): PolicyArgument | null {
  const { free, values } = argument;
  if (free === 0n || (values.length === 1 && values[0] === 0n)) return argument;
  const bits = free.toString(2).replaceAll('0', '').length;
  if (bits > FREE_BITS_CAP || maskOf(argument) === 0n) return null;
  const combinations: bigint[] = [];
  for (let part = free; ; part = (part - 1n) & free) {
    combinations.push(part);
    if (part === 0n) break;
  }
  const all = values.flatMap((value) => combinations.map((part) => value | part));
  return { ...argument, free: 0n, values: all.sort((a, b) => (a < b ? -1 : Number(a > b))) };
}

function describeDefault(violation: Violation): readonly Loss[] {
  if (isKill(violation)) return [];
  const what = violation.kind === 'errno' ? `fail with ${violation.errno}` : violation.kind;
  return [
    {
      kind: 'stricter',
      text: `minijail kills the process for every call without a rule, it does not ${what}`,
    },
  ];
}

function isKill({ kind }: Violation): boolean {
  return kind === 'kill_process';
}

/** minijail compares whole registers. */
function dirtyHalves(calls: readonly PolicyCall[]): readonly Loss[] {
  const names = calls
    .filter(({ arch, args }) => arch !== 'i386' && args.some(({ width }) => width === 32))
    .flatMap(({ name }) => name ?? []);
  if (names.length === 0) return [];
  return [
    {
      kind: 'stricter',
      text: `int arguments are compared in all 64 bits, so sign-extended ones do not match: ${names.join(', ')}`,
    },
  ];
}
