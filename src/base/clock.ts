/** Milliseconds since some moment, which never go back: `performance.now()` without the module behind it, which takes Node a millisecond to load. */
export function milliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
