import { compareText, uniteIndices } from './call-union.ts';
import type { Analysis, Chain, CodePlace, UnresolvedSite } from './model.ts';

/** Chains of one call and phase that a union keeps. */
const CHAIN_CAP = 4;

/** Order of places in documents: by object, then address. */
export function comparePlaces(a: CodePlace, b: CodePlace): number {
  return compareText(a.object, b.object) || a.address - b.address;
}

/** What several analyses of the same program say together; undefined if there is none. */
export function uniteAnalyses(analyses: readonly Analysis[]): Analysis | undefined {
  if (analyses.length === 0) return undefined;
  return {
    objects: distinct(
      analyses.flatMap(({ objects }) => objects),
      ({ path, buildId }) => [path, buildId],
    ),
    entries: distinct(
      analyses.flatMap(({ entries }) => entries),
      ({ object, address, phase }) => [object, address, phase],
    ),
    unresolved: uniteSites(analyses.flatMap(({ unresolved }) => unresolved)),
    assumptions: [...new Set(analyses.flatMap(({ assumptions }) => assumptions))],
  };
}

/** Chains of several uses of a call: the shortest of each phase first; undefined if no use has any. */
export function uniteChains(
  uses: readonly { readonly chains?: readonly Chain[] }[],
): readonly Chain[] | undefined {
  const all = uses.flatMap(({ chains }) => chains ?? []);
  if (all.length === 0) return undefined;
  const kept = new Map<number, Chain[]>();
  const ordered = distinct(all, (chain) => [chain.phase, chain.steps]).sort(
    (a, b) => a.phase - b.phase || a.steps.length - b.steps.length,
  );
  for (const chain of ordered) {
    const chains = kept.get(chain.phase) ?? [];
    kept.set(chain.phase, chains);
    if (chains.length < CHAIN_CAP) chains.push(chain);
  }
  return [...kept.values()].flat();
}

function uniteSites(sites: readonly UnresolvedSite[]): readonly UnresolvedSite[] {
  const united = new Map<string, UnresolvedSite>();
  for (const site of sites) {
    const key = JSON.stringify([site.kind, site.object, site.address, site.reason]);
    const before = united.get(key);
    united.set(
      key,
      before === undefined ? site : { ...before, phases: uniteIndices([before.phases, site.phases]) },
    );
  }
  return [...united.values()];
}

function distinct<Item>(items: readonly Item[], identity: (item: Item) => unknown): Item[] {
  const byIdentity = new Map<string, Item>();
  for (const item of items) {
    const key = JSON.stringify(identity(item));
    if (!byIdentity.has(key)) byIdentity.set(key, item);
  }
  return [...byIdentity.values()];
}
