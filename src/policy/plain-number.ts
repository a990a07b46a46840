/** A number as JSON has it: those that not every reader of JSON keeps are text. */
export function plainNumber(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `0x${value.toString(16)}`;
}
