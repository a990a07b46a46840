import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 inline less from now on, in all threads: for a process that does one analysis and ends.
 *
 * Most of what runs so briefly is compiled once and hardly used; docs/decisions/static-analysis.md has what that saves. It is to be called
 * once the stored code of the bundle is loaded, for V8 refuses code that was stored under other flags.
 */
export function compileForShortRun(): void {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=100');
}
