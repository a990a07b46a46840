import { FormatError, UnsupportedError } from '../base/errors.ts';

/** The value that `compute` gives; null when it meets bytes that are malformed, or of a kind that cannot be read. */
export function unlessMalformed<T>(compute: () => T): T | null {
  try {
    return compute();
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) return null;
    throw error;
  }
}
