import { maskOf } from './alternatives.ts';
import { formatLabel } from '../policy/call-label.ts';
import { ENOSYS } from '../policy/filter/action.ts';
import type { PolicyArgument, PolicyCall } from '../policy/model.ts';
import type { Loss } from './exporter.ts';
import type { SelectedArch, Selection } from './selection.ts';

/** For formats that know calls by name only: those that callgate has no name for cannot be allowed. */
export function unnamedCalls(selection: Selection): readonly Loss[] {
  const native = selection.policy.arches[0]!.arch;
  const calls = selection.arches.flatMap(({ allowed }) => allowed.filter(({ name }) => name === null));
  if (calls.length === 0) return [];
  const labels = calls.map((call) => formatLabel(call, native));
  return [{ kind: 'stricter', text: `calls without a name cannot be allowed: ${labels.join(', ')}` }];
}

/** For formats without ranges of numbers: calls that nobody has a name for yet get the default action. */
export function newerCalls(selection: Selection): readonly Loss[] {
  if (isEnosys(selection)) return [];
  const where = selection.arches.map(({ arch, newest, newer }) => {
    const known = Math.max(newest, ...newer.map(({ nr }) => nr));
    return `${arch} above ${known}`;
  });
  return [
    {
      kind: 'other',
      text: `calls newer than callgate knows (${where.join(', ')}) are treated as denied instead of failing with ENOSYS`,
    },
  ];
}

/** For formats that can only allow or deny: calls that should fail with ENOSYS are treated as denied. */
export function enosysCalls(selection: Selection): readonly Loss[] {
  if (isEnosys(selection)) return [];
  const names = selection.arches.flatMap(({ enosys }) => enosys.flatMap(({ name }) => name ?? []));
  return [
    {
      kind: 'other',
      text:
        names.length === 0
          ? 'calls newer than the policy are treated as denied instead of failing with ENOSYS'
          : `calls that should fail with ENOSYS (${[...new Set(names)].join(', ')}, and newer ones) are treated as denied`,
    },
  ];
}

/** For formats without argument rules: the calls are allowed with any arguments. */
export function argumentRules(selection: Selection): readonly Loss[] {
  const names = selection.arches.flatMap(({ allowed }) =>
    allowed.filter(({ args }) => args.length > 0).flatMap(({ name }) => name ?? []),
  );
  if (names.length === 0) return [];
  return [
    {
      kind: 'looser',
      text: `argument rules cannot be expressed, allowed with any arguments: ${[...new Set(names)].join(', ')}`,
    },
  ];
}

/** For a call whose constants were too many to list. */
export function droppedArguments(call: PolicyCall, dropped: readonly number[]): readonly Loss[] {
  return dropped.map((index) => ({
    kind: 'looser',
    text: `too many combinations of constants, ${call.name ?? call.nr} is allowed with any argument ${index}`,
  }));
}

/** For formats that know one arch: the calls of the others are denied. */
export function otherArches(selection: Selection, written: SelectedArch): readonly Loss[] {
  const others = selection.arches.filter((each) => each !== written && each.allowed.length > 0);
  if (others.length === 0) return [];
  return [
    {
      kind: 'stricter',
      text: `only the calls of ${written.arch} can be expressed, not those of ${others.map(({ arch }) => arch).join(', ')}`,
    },
  ];
}

/** For formats that kill the process for a call of another arch even where nothing is to be blocked. */
export function foreignCalls({ violation }: Selection): readonly Loss[] {
  if (violation.kind !== 'log') return [];
  return [{ kind: 'stricter', text: 'calls of other arches are denied although nothing is to be blocked' }];
}

/** For libseccomp, to which x32 is an arch of 32 bits: of arguments it compares the low half there. */
export function highHalves({ arches }: Selection): readonly Loss[] {
  const names = arches
    .filter(({ arch }) => arch === 'x32')
    .flatMap(({ allowed }) => allowed.filter(({ args }) => args.some(looksHigh)))
    .map(({ name, nr }) => name ?? `${nr}`);
  if (names.length === 0) return [];
  return [
    {
      kind: 'looser',
      text: `the high 32 bits of arguments of x32 are not looked at: ${names.join(', ')}`,
    },
  ];
}

/** Whether calls of which nobody knows anything are treated as the default action does anyway. */
function isEnosys({ violation }: Selection): boolean {
  return violation.kind === 'log' || (violation.kind === 'errno' && violation.errno === ENOSYS);
}

function looksHigh(argument: PolicyArgument): boolean {
  return maskOf(argument) >> 32n !== 0n;
}
