/** What a called function does beyond the calling convention; the low 16 bits are registers that it changes and should not. */
export const EFFECT = {
  NONE: 0,
  /** It may return once more after its caller has gone on: setjmp, vfork. */
  TWICE: 0x1_0000,
} as const;
