/**
 * Functions that return once more after their caller has gone on: by longjmp and its like, or because a child runs in the memory of its parent.
 *
 * Sources: special_function_p of GCC (calls.cc), and the names under which glibc, musl and the BSDs have these.
 */
const TWICE = /^_*(?:(?:libc_|GI_+)?(?:sig)?setjmp|savectx|(?:libc_|GI_+)?vfork|getcontext|swapcontext)$/;

/** Whether a function of a name returns twice. */
export function returnsTwice(name: string): boolean {
  return TWICE.test(name);
}
