/**
 * The same number, as an integer to V8 where it is one of 32 bits.
 *
 * What was read from a file or a Float64Array is a double to V8 whatever its value, and so is all that is reckoned from it: functions that
 * are given both are optimised twice, and slower the second time.
 */
export function integer(value: number): number {
  const whole = value | 0;
  return whole === value ? whole : value;
}
