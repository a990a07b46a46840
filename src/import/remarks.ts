/**
 * Remarks that are gathered while a file is read: each sentence once, with the names that it is about.
 *
 * A file may give a reason for the same remark a thousand times.
 */
export class Remarks {
  readonly #names = new Map<string, Set<string>>();

  /** Notes a sentence; `name` is one of the things that it is about. */
  add(sentence: string, name?: string): void {
    const names = this.#names.get(sentence) ?? new Set<string>();
    if (name !== undefined) names.add(name);
    this.#names.set(sentence, names);
  }

  /** The sentences in the order in which they came, with all their names: whoever trusts the policy has to know them. */
  list(): readonly string[] {
    return [...this.#names].map(([sentence, names]) =>
      names.size === 0 ? sentence : `${sentence}: ${[...names].join(', ')}`,
    );
  }
}
