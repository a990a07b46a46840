/** Who wants to trace by eBPF, for messages. */
export interface Asker {
  readonly command: 'trace' | 'watch';
  /** Whether another method could do it: they trace only what they start or are given, no cgroup and no machine. */
  readonly hasAlternative: boolean;
}

/** A trace of a program. */
export const TRACE: Asker = { command: 'trace', hasAlternative: true };

/** What to do, in parentheses after a message; `other`, which names another method, is said only to those whom it helps. */
export function advice({ hasAlternative }: Asker, hints: readonly string[], other: string): string {
  const all = [...hints, ...(hasAlternative ? [other] : [])];
  return all.length === 0 ? '' : ` (${all.join('; ')})`;
}
