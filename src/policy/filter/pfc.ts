import type { Arch } from '../../abi/arch.ts';
import { formatAction } from './action.ts';
import { MAX_NR, type Condition, type Filter, type Rule, type Section } from './ir.ts';

/** The name of a number, or undefined if there is none. */
export type NameResolver = (arch: Arch, nr: number) => string | undefined;

/**
 * A filter as readable pseudo code, one line per rule in the order in which they are tried; ends with a newline.
 *
 * Numbers that `nameOf` does not know are printed bare.
 */
export function formatFilter(filter: Filter, nameOf: NameResolver): string {
  const lines: string[] = [];
  for (const section of filter.sections) {
    lines.push(`arch ${section.arch}:`);
    for (const rule of section.rules) lines.push(`  ${formatRule(rule, section.arch, nameOf)}`);
    lines.push(...formatRest(section), '');
  }
  if (filter.sections.some(({ arch }) => arch === 'x86_64' || arch === 'x32')) {
    const [x86, x32] = (['x86_64', 'x32'] as const).map((arch) =>
      filter.sections.some((s) => s.arch === arch),
    );
    if (x86 !== x32) lines.push(`${x86 ? 'x32' : 'x86_64'}: ${formatAction(filter.foreign)}`);
  }
  lines.push(
    `any other arch: ${formatAction(filter.mismatch)}`,
    `number -1: ${formatAction(filter.skipped)}`,
  );
  return `${lines.join('\n')}\n`;
}

/** A condition as text, such as `args[1] == 0x5401` or `int(args[0]) & 0x3 == 0x1`. */
export function formatCondition({ arg, width, op, value, mask }: Condition): string {
  const argument = width === 32 ? `int(args[${arg}])` : `args[${arg}]`;
  const operand = `0x${value.toString(16)}`;
  if (op === 'masked_eq') return `${argument} & 0x${mask!.toString(16)} == ${operand}`;
  return `${argument} ${OPERATOR[op]} ${operand}`;
}

const OPERATOR = { eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;

function formatRule(rule: Rule, arch: Arch, nameOf: NameResolver): string {
  const name = nameOf(arch, rule.nr);
  const call = name === undefined ? `${rule.nr}` : `${name} (${rule.nr})`;
  const when =
    rule.conditions.length === 0 ? '' : ` if ${rule.conditions.map(formatCondition).join(' and ')}`;
  return `${call}${when}: ${formatAction(rule.action)}`;
}

function formatRest(section: Section): string[] {
  const other = `  any other: ${formatAction(section.default)}`;
  if (section.newestKnown === MAX_NR) return [other];
  return [
    `  any other up to ${section.newestKnown}: ${formatAction(section.default)}`,
    `  newer: ${formatAction(section.newer)}`,
  ];
}
