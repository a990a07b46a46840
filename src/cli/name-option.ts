/** Adds what an option that can be repeated was given: a name, or several with commas. */
export function collectNames(value: string, before: readonly string[]): readonly string[] {
  return [...before, ...value.split(',').map((name) => name.trim())];
}
