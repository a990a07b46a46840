const PLACEHOLDER = /\$\{([a-z][a-z0-9_]*)\}/g;

/** Placeholders that every workload has; names of ports come on top. */
export const FIXED_PLACEHOLDERS = ['program', 'scratch', 'signal'] as const;

/** Values of placeholders. */
export type PlaceholderValues = ReadonlyMap<string, string>;

/** Names in `${name}` form, lower case only: `${HOME}` and `${x:-1}` are the shell's. */
export function placeholdersIn(text: string): readonly string[] {
  return [...text.matchAll(PLACEHOLDER)].map((match) => match[1] as string);
}

/** The text with every placeholder replaced; one without value stays as it is. */
export function fillPlaceholders(text: string, values: PlaceholderValues): string {
  return text.replaceAll(PLACEHOLDER, (whole, name: string) => values.get(name) ?? whole);
}
