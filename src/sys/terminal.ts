import type { Libc } from './libc.ts';

const ICANON = 2;

/**
 * Whether a program has the terminal behind `fd` to itself: it reads single keys, or another process group is in the
 * foreground. Then nothing else should be written there.
 */
export function isTerminalTaken(libc: Libc, fd: number): boolean {
  const termios = new Uint32Array(32);
  // SAFETY: glibc's struct termios is 60 bytes; c_lflag is its fourth 32-bit word.
  if (libc.tcgetattr(fd, termios) === -1) return false;
  if (((termios[3] as number) & ICANON) === 0) return true;
  const foreground = libc.tcgetpgrp(fd);
  return foreground !== -1 && foreground !== libc.getpgrp();
}
