/** What the dynamic string tokens stand for (ld.so(8), "Dynamic string tokens"). */
export interface TokenValues {
  /** The directory of the object in whose dynamic section the text is. */
  readonly ORIGIN: string;
  readonly LIB: string;
  readonly PLATFORM: string;
}

/**
 * Replaces `$ORIGIN`, `${ORIGIN}` and their like; what is no such token stays.
 *
 * As in glibc since 2.28 a token without braces may be followed by anything.
 */
export function expandTokens(text: string, values: TokenValues): string {
  if (!text.includes('$')) return text;
  return text.replace(
    /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM))/g,
    (_, braced: keyof TokenValues | undefined, plain: keyof TokenValues | undefined) => {
      const token = braced ?? plain;
      return token === undefined ? '' : values[token];
    },
  );
}

/** The directory part of a path, `/` for a file in the root. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** An absolute path from one that may be relative to a directory; nothing else is changed. */
export function absolutePath(path: string, directory: string): string {
  if (path.startsWith('/')) return path;
  return directory.endsWith('/') ? directory + path : `${directory}/${path}`;
}
