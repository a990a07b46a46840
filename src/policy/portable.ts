import type { Arch } from '../abi/arch.ts';
import { syscallName, syscalls } from '../abi/syscalls.ts';
import { visibleArguments } from './argument-constants.ts';
import { createArgument, uniteRules } from './argument-rules.ts';
import { identifyName, type CallIdentity } from './call-label.ts';
import { COMPANIONS, EQUIVALENTS, PORTABLE_VALUES } from './equivalents.ts';
import { compareReleases } from './kernel-release.ts';
import type { KernelRange, PolicyArgument, PolicyCall } from './model.ts';
import type { ArgumentChange, SetDraft } from './set-draft.ts';

/** Name of the group, and the reason that the document gives for it. */
export const PORTABLE_GROUP = {
  name: 'portable',
  reason: 'calls by which another C library or kernel does the same job',
} as const;

/**
 * Adds the calls that the same program may make with another C library, or on another kernel of the range.
 *
 * What no kernel of the range has is left out. A new entry takes over the argument rules of those it stands for, as far
 * as its arguments have the same meaning; else it is open.
 */
export function addEquivalents(draft: SetDraft, arches: readonly Arch[], { to }: KernelRange): void {
  for (const arch of arches) {
    const before = new Map(
      draft
        .list([arch])
        .filter((call) => call.arch === arch && call.name !== null)
        .map((call) => [call.name as string, call]),
    );
    for (const { calls, reason } of EQUIVALENTS) {
      const present = calls.flatMap((name) => before.get(name) ?? []);
      if (present.length === 0) continue;
      const reached = present.map(({ name }) => name).join(', ');
      for (const call of existing(arch, calls, to)) {
        if (before.has(call.name ?? '')) continue;
        draft.add(call, [`group portable: like ${reached}, ${reason}`], inherited(call, present));
      }
    }
    for (const companion of COMPANIONS) {
      if (!companion.if.some((name) => before.has(name))) continue;
      for (const call of existing(arch, companion.calls, to)) {
        if (!draft.has(call)) draft.add(call, [`group portable: ${companion.reason}`]);
      }
    }
  }
  draft.changeArguments(portableArgument);
}

function existing(arch: Arch, names: readonly string[], newest: string): readonly CallIdentity[] {
  return names.flatMap((name) => {
    const call = identifyName(arch, name);
    return call !== null && existsIn(call, newest) ? [call] : [];
  });
}

/** Whether a kernel of this release has the call; true for numbers without a name, of which nothing is known. */
export function existsIn({ arch, nr }: Pick<CallIdentity, 'arch' | 'nr'>, release: string): boolean {
  if (syscallName(arch, nr) === null) return true;
  const since = syscalls(arch).find((call) => call.nr === nr)?.since ?? null;
  return since !== null && compareReleases(since, release) <= 0;
}

/** The rules of all that the new call stands for, where its argument has the same name and the same constants. */
function inherited(call: CallIdentity, present: readonly PolicyCall[]): readonly PolicyArgument[] {
  const own = visibleArguments(call);
  const translated = present.map((source): readonly PolicyArgument[] =>
    own.flatMap((target): PolicyArgument[] => {
      const meaning = visibleArguments(source).find(({ name }) => name === target.name);
      const rule = source.args.find(({ name }) => name === target.name);
      if (rule === undefined || meaning?.values !== target.values) return [];
      return [createArgument({ ...rule, index: target.index, width: target.bits })];
    }),
  );
  return translated.reduce((all, rules) => uniteRules(all, rules));
}

function portableArgument(call: CallIdentity, argument: PolicyArgument): ArgumentChange | undefined {
  const set = visibleArguments(call).find(({ name }) => name === argument.name)?.values;
  const row = PORTABLE_VALUES.find((each) => each.argument === set);
  if (row === undefined) return undefined;
  const values = [...argument.values, ...(row.values ?? [])];
  const changed = createArgument({ ...argument, values, free: argument.free | (row.free ?? 0n) });
  return { argument: changed, why: `group portable: ${row.reason}` };
}
