import { UsageError } from '../base/errors.ts';
import { compareText } from './call-union.ts';
import type { Profile, Run } from './model.ts';

/** Orders that an error lists. */
const LISTED_CAP = 4;

/** Names of the phases by which a run was cut, in their order. */
export function cutOf({ phases }: Pick<Profile, 'phases'>, run: Pick<Run, 'phases'>): readonly string[] {
  const names = phases.map(({ name }) => name);
  return run.phases === undefined ? names : run.phases.flatMap((phase) => names[phase] ?? []);
}

/**
 * The names of all phases, in an order that holds for every run: a filter can only be tightened, so an order that goes
 * against that of a run would make of its earlier phase a later one.
 *
 * It does not depend on the order of the profiles, nor on how they were merged before: what no run says is by name.
 *
 * @throws UsageError if the runs contradict each other
 */
export function orderPhases(profiles: readonly Profile[]): readonly string[] {
  const orders = distinctOrders(profiles);
  const left = new Set(orders.flat());
  const result: string[] = [];
  while (left.size > 0) {
    const [next] = [...left].filter((name) => isNext(name, orders, left)).sort(compareText);
    if (next === undefined) throw contradiction(orders, left);
    left.delete(next);
    result.push(next);
  }
  return result;
}

function distinctOrders(profiles: readonly Profile[]): readonly (readonly string[])[] {
  const orders = profiles.flatMap((profile) => {
    const names = cutOf(profile, {});
    if (profile.runs.length === 0) return [names];
    // A phase may have lost its runs, if another profile that holds them was given as well: then only setup is before it.
    const alone = names.map((name) => [...new Set([...names.slice(0, 1), name])]);
    return [...profile.runs.map((run) => cutOf(profile, run)), ...alone];
  });
  return [...new Map(orders.map((order) => [order.join(' '), order])).values()];
}

function isNext(name: string, orders: readonly (readonly string[])[], left: ReadonlySet<string>): boolean {
  return orders.every((order) => {
    const place = order.indexOf(name);
    return place < 0 || order.slice(0, place).every((earlier) => !left.has(earlier));
  });
}

function contradiction(orders: readonly (readonly string[])[], left: ReadonlySet<string>): UsageError {
  const texts = orders
    .filter((order) => order.filter((name) => left.has(name)).length > 1)
    .map((order) => order.join(', '))
    .sort(compareText);
  const more = texts.length > LISTED_CAP ? ' and others' : '';
  return new UsageError(
    `merge: the orders of the phases contradict each other, ${texts.slice(0, LISTED_CAP).join(' and ')}${more} (cut the profiles alike: callgate phases FILE --at TRIGGER)`,
  );
}
