import { argumentValueName } from '../abi/argument-values.ts';
import type { ArgumentValues, Call } from '../profile/model.ts';
import { escapeText } from './escape.ts';

/** Numbers above are bits or addresses for most people, and in hexadecimal. */
const DECIMAL_CAP = 4095;

/** The values of one selecting argument in words, in their order: `PROT_READ`, `PROT_READ|PROT_WRITE`, or `any value`. */
export function argumentWords(
  call: Pick<Call, 'arch' | 'name'>,
  argument: ArgumentValues,
): readonly string[] {
  const { values } = argument;
  return values === 'any'
    ? ['any value']
    : values.map((value) => valueName(call, argument, value) ?? formatNumber(value));
}

/** One value in the words of the kernel's headers, or null. */
export function valueName(
  { arch, name }: Pick<Call, 'arch' | 'name'>,
  argument: Pick<ArgumentValues, 'name'>,
  value: number | string,
): string | null {
  return name === null ? null : argumentValueName(arch, name, argument.name, BigInt(value));
}

/** Outcomes with the most frequent first: `EAGAIN 12`, `ENOENT 3`. */
export function errnoWords(errnos: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(errnos)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([name, count]) => `${escapeText(name)} ${count}`);
}

function formatNumber(value: number | string): string {
  if (typeof value === 'string') return escapeText(value);
  return value > DECIMAL_CAP ? `0x${value.toString(16)}` : `${value}`;
}
