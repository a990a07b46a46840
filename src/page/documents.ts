import type { Arch } from '../abi/arch.ts';
import type { Phase, Profile } from '../profile/model.ts';
import type { Split } from '../profile/recut.ts';
import { nativeArch } from '../report/call-names.ts';
import type { PackedSplit, PageDocument, PagePolicy } from '../report/html/page-data.ts';
import { unpackProfile } from '../report/html/packed-profile.ts';
import { collectUses, type CallUses } from './call-uses.ts';
import { columnsOf, columnsOfPacked, type UseColumns } from './use-columns.ts';

/** A profile as the views have it. */
export interface ProfileView {
  readonly kind: 'profile';
  readonly label: string;
  readonly profile: Profile;
  readonly native: Arch;
  /** All uses, and the calls that are in them. */
  readonly uses: UseColumns;
  readonly calls: readonly CallUses[];
  /** Ways to cut it in two: what the profile itself records, then what `callgate phases` lists. */
  readonly splits: readonly Split[];
}

export interface PolicyView {
  readonly kind: 'policy';
  readonly label: string;
  readonly policy: PagePolicy;
  readonly native: Arch;
}

export type DocumentView = ProfileView | PolicyView;

/** A document of the page's data, ready to be shown. */
export function toView(document: PageDocument): DocumentView {
  if (document.kind === 'policy') {
    const { label, policy } = document;
    return { kind: 'policy', label, policy, native: policy.arches[0]?.arch ?? 'x86_64' };
  }
  const { label, profile, splits } = document;
  return toProfileView(label, unpackProfile(profile), splits, columnsOfPacked(profile));
}

/** The view of a profile; `splits` as `callgate phases` lists them. */
export function toProfileView(
  label: string,
  profile: Profile,
  splits: readonly PackedSplit[],
  uses: UseColumns = columnsOf(profile),
): ProfileView {
  const native = nativeArch(profile);
  const listed = splits.map((split): Split => ({ ...split, times: new Map(split.times) }));
  const recorded = recordedSplits(profile).filter(
    ({ trigger }) => !listed.some((split) => split.trigger === trigger),
  );
  return {
    kind: 'profile',
    label,
    profile,
    native,
    uses,
    calls: collectUses(uses, native),
    splits: [...recorded, ...listed],
  };
}

/** The split with which a profile is shown first: its own main phase, or the proposal; null if there is neither. */
export function firstSplit({ profile, splits }: ProfileView): Split | null {
  const main = profile.phases[1];
  return (
    (main === undefined ? undefined : splits.find(({ trigger }) => trigger === main.trigger)) ??
    splits.find(({ source }) => source === 'auto') ??
    null
  );
}

/** For each later phase of the profile the split between what comes before and it. */
function recordedSplits(profile: Profile): readonly Split[] {
  return profile.phases.flatMap((phase, index) => {
    if (index === 0 || !phase.entered) return [];
    const times = new Map(
      profile.processes.flatMap(({ transitions }, process): [number, number][] => {
        const at = transitions.find((transition) => transition.phase >= index)?.at;
        return at === undefined ? [] : [[process, at]];
      }),
    );
    return times.size === 0 ? [] : [{ ...nameOf(phase), times }];
  });
}

function nameOf({ name, trigger, source, reason }: Phase): Omit<Split, 'times'> {
  return { trigger: trigger ?? name, source: source === 'auto' ? 'auto' : 'given', reason };
}
