import type { Arch } from '../abi/arch.ts';
import { argumentValueName } from '../abi/argument-values.ts';
import { AARCH64_VALUE_SETS, I386_VALUE_SETS, VALUE_SETS } from '../abi/generated/argument-values.ts';
import { selectingArguments, type SelectingArgument } from '../abi/selecting-arguments.ts';
import { signalName, signalNumber } from '../abi/signals.ts';
import type { CallIdentity } from './call-label.ts';
import type { PolicyArgument } from './model.ts';

/** Numbers above are bits or addresses for most people, and in hexadecimal. */
const DECIMAL_CAP = 4095n;

/** A selecting argument that a filter can see: one in a register. */
export function visibleArguments({
  arch,
  nr,
}: Pick<CallIdentity, 'arch' | 'nr'>): readonly SelectingArgument[] {
  return selectingArguments(arch, nr).filter(({ pointee }) => pointee === undefined);
}

/** A value in the words of the kernel's headers, such as `O_RDWR|O_CLOEXEC`; a number where it has none. */
export function formatConstant(
  call: CallIdentity,
  argument: Pick<PolicyArgument, 'name'>,
  value: bigint,
): string {
  const name = wordsOf(call, argument, value);
  if (name !== null && parseConstant(call, argument, name) === value) return name;
  return value > DECIMAL_CAP ? `0x${value.toString(16)}` : `${value}`;
}

/** The value of such words or of a number (decimal, `0x`, octal with a leading 0), joined by `|`; null if there is none. */
export function parseConstant(
  call: CallIdentity,
  argument: Pick<PolicyArgument, 'name'>,
  text: string,
): bigint | null {
  let value = 0n;
  for (const word of text.split('|')) {
    const part = parseWord(call, argument, word.trim());
    if (part === null) return null;
    value |= part;
  }
  return value;
}

/** The words that the values of an argument may have, for messages. */
export function constantNames(call: CallIdentity, argument: Pick<PolicyArgument, 'name'>): readonly string[] {
  const set = findArgument(call, argument)?.values;
  if (set === undefined) return [];
  return [...readSet(call.arch, set).keys(), ...(takesSignals(set) ? SIGNAL_NAMES : [])];
}

/** Signals are no table of the generated ones. */
const SIGNAL_NAMES: readonly string[] = [...Array(64).keys()].flatMap((index) => signalName(index + 1) ?? []);

function takesSignals(set: string): boolean {
  return set === 'signal' || set === 'clone-flags';
}

function wordsOf(
  { arch, name }: CallIdentity,
  argument: Pick<PolicyArgument, 'name'>,
  value: bigint,
): string | null {
  return name === null || argument.name === null ? null : argumentValueName(arch, name, argument.name, value);
}

function parseWord(call: CallIdentity, argument: Pick<PolicyArgument, 'name'>, word: string): bigint | null {
  if (word.length > 64) return null;
  if (/^0[0-7]+$/.test(word)) return BigInt(`0o${word.slice(1)}`);
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(word)) return BigInt(word);
  const set = findArgument(call, argument)?.values;
  if (set === undefined) return null;
  if (takesSignals(set)) {
    const signal = signalNumber(word);
    if (signal !== null) return BigInt(signal);
  }
  return readSet(call.arch, set).get(word) ?? null;
}

function findArgument(
  call: CallIdentity,
  { name }: Pick<PolicyArgument, 'name'>,
): SelectingArgument | undefined {
  return name === null ? undefined : visibleArguments(call).find((argument) => argument.name === name);
}

/** Name to value; the tables of one arch override those of all. */
function readSet(arch: Arch, name: string): ReadonlyMap<string, bigint> {
  const own =
    arch === 'i386' ? I386_VALUE_SETS[name] : arch === 'aarch64' ? AARCH64_VALUE_SETS[name] : undefined;
  const rows = (own ?? VALUE_SETS[name] ?? '').split('\n').filter((row) => row !== '');
  return new Map(
    rows.map((row) => {
      const [value = '0', constant = ''] = row.split(' ');
      return [constant, BigInt(value)];
    }),
  );
}
