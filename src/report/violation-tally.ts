import { callKey } from '../policy/call-label.ts';
import { MAX_NR } from '../policy/filter/ir.ts';
import { ARGUMENT_VALUE_CAP, type Policy, type PolicyArgument } from '../policy/model.ts';
import { policySets } from '../policy/policy-sets.ts';
import type { Violation } from '../trace/backend.ts';

/** Violations of one call by one program in one phase. */
export interface ViolationGroup {
  readonly first: Violation;
  readonly count: number;
}

/** Different calls that are kept; a program may try every number there is. */
const GROUP_CAP = 10_000;

/**
 * Counts violations as they come, in room that does not grow with how often a call is made.
 *
 * Everything that differs is kept, up to a cap; what is beyond that is counted, and `unlisted` and `unlearned` say so.
 */
export class ViolationTally {
  readonly #cap: number;
  /** What the sets of the policy ask of the arguments of each call. */
  readonly #rules: ReadonlyMap<string, readonly PolicyArgument[]>;
  /** By phase, program, arch, number and outcome. */
  readonly #groups: Map<string, { first: Violation; count: number }> = new Map();
  /** By phase, sets, arch and number: for each rule the values that were seen. */
  readonly #values: Map<string, readonly Set<bigint>[]> = new Map();
  readonly #learnable: Violation[] = [];
  #total = 0;
  #unlisted = 0;
  #unlearned = 0;

  constructor(policy: Policy, cap: number = GROUP_CAP) {
    this.#cap = cap;
    const rules = new Map<string, PolicyArgument[]>();
    for (const { calls } of policySets(policy)) {
      for (const call of calls) {
        if (call.args.length === 0) continue;
        rules.set(callKey(call), [...(rules.get(callKey(call)) ?? []), ...call.args]);
      }
    }
    this.#rules = rules;
  }

  /** Violations in all. */
  get total(): number {
    return this.#total;
  }

  /** Groups in the order in which each was first seen. */
  get groups(): readonly ViolationGroup[] {
    return [...this.#groups.values()];
  }

  /** Violations that are in none of the groups, for there are too many. */
  get unlisted(): number {
    return this.#unlisted;
  }

  /** Of violations that would teach the same, one: what can be learned from these can be learned from all. */
  get learnable(): readonly Violation[] {
    return this.#learnable;
  }

  /** Violations from which something could be learned that is not in `learnable`, for there are too many. */
  get unlearned(): number {
    return this.#unlearned;
  }

  add(violation: Violation): void {
    this.#total++;
    this.#addToGroup(violation);
    this.#addToLearnable(violation);
  }

  #addToGroup(violation: Violation): void {
    const { phase, program, arch, nr, outcome } = violation;
    const key = `${phase} ${program ?? ''} ${arch} ${nr} ${outcome}`;
    const group = this.#groups.get(key);
    if (group !== undefined) group.count++;
    else if (this.#groups.size < this.#cap) this.#groups.set(key, { first: violation, count: 1 });
    else this.#unlisted++;
  }

  #addToLearnable(violation: Violation): void {
    const { phase, sets, arch, nr, args } = violation;
    // No filter can name a number beyond that.
    if (nr < 0 || nr > MAX_NR) return;
    const rules = this.#rules.get(callKey({ arch, nr })) ?? [];
    const key = JSON.stringify([phase, sets, arch, nr]);
    const known = this.#values.get(key);
    if (known === undefined && this.#values.size >= this.#cap) {
      this.#unlearned++;
      return;
    }
    const values = known ?? rules.map(() => new Set<bigint>());
    this.#values.set(key, values);
    let isNews = known === undefined;
    for (const [position, { index, width, free }] of rules.entries()) {
      const seen = values[position] as Set<bigint>;
      const value = BigInt.asUintN(width, args[index] ?? 0n) & ~free;
      // With more values than a rule can list, the argument becomes one that may be anything.
      if (seen.has(value) || seen.size > ARGUMENT_VALUE_CAP) continue;
      seen.add(value);
      isNews = true;
    }
    if (isNews) this.#learnable.push(violation);
  }
}
