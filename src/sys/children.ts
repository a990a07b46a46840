import { addressOf, type Libc } from './libc.ts';

const WNOHANG = 1;
const __WALL = 0x40000000;
const ECHILD = 10;
const PR_GET_CHILD_SUBREAPER = 37;

/**
 * Whether this process has children, or may come to have some that it does not start: those of the program that it was before an exec,
 * and as the first process of a pid namespace or as a subreaper those of others that end. Children that have ended are reaped.
 */
export function mayHaveOtherChildren(libc: Libc): boolean {
  if (process.pid === 1) return true;
  const word = new Int32Array(1);
  // SAFETY: the kernel writes one int into `word`, for both calls.
  if (libc.prctl(PR_GET_CHILD_SUBREAPER, Number(addressOf(word))) === 0 && word[0] !== 0) return true;
  for (;;) {
    const pid = libc.waitpid(-1, word, WNOHANG | __WALL);
    if (pid === -1) return libc.errno() !== ECHILD;
    if (pid === 0) return true;
  }
}
