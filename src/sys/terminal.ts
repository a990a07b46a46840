import type { Libc } from './libc.ts';

const ICANON = 2;

const TIOCGWINSZ = 0x5413;

/** Whether there is a terminal behind `fd`, by the same call as isatty(3). Node's own `tty` would first load sockets and streams. */
export function isTerminal(libc: Libc, fd: number): boolean {
  return readTermios(libc, fd) !== null;
}

/**
 * Whether a program has the terminal behind `fd` to itself: it reads single keys, or another process group is in the
 * foreground. Then nothing else should be written there.
 */
export function isTerminalTaken(libc: Libc, fd: number): boolean {
  const termios = readTermios(libc, fd);
  if (termios === null) return false;
  // c_lflag is its fourth 32-bit word.
  if (((termios[3] as number) & ICANON) === 0) return true;
  const foreground = libc.tcgetpgrp(fd);
  return foreground !== -1 && foreground !== libc.getpgrp();
}

/** Columns of the terminal behind `fd`; null if there is none, or it does not say. */
export function terminalColumns(libc: Libc, fd: number): number | null {
  // Rows and columns, and both in pixels.
  const size = new Uint16Array(4);
  // SAFETY: struct winsize is these eight bytes.
  return libc.ioctl(fd, TIOCGWINSZ, size) === -1 ? null : size[1] || null;
}

/** struct termios of the terminal, or null if there is none. */
function readTermios(libc: Libc, fd: number): Uint32Array | null {
  const termios = new Uint32Array(32);
  // SAFETY: glibc's struct termios is 60 bytes.
  return libc.tcgetattr(fd, termios) === -1 ? null : termios;
}
