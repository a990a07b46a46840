/** Names that a remark lists. */
const NAME_CAP = 12;

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

  /** The sentences in the order in which they came, at most a dozen names with each. */
  list(): readonly string[] {
    return [...this.#names].map(([sentence, names]) => {
      if (names.size === 0) return sentence;
      const more = names.size > NAME_CAP ? ` and ${names.size - NAME_CAP} more` : '';
      return `${sentence}: ${[...names].slice(0, NAME_CAP).join(', ')}${more}`;
    });
  }
}
