/** Options of Node's that load code of somebody else's into the process. */
const PRELOADS = /(?:^|\s)(?:-r|--require|--import|--loader|--experimental-loader)(?:[\s=]|$)/;

/** Options of `callgate trace` for which callgate starts or serves something else meanwhile. */
const OPTIONS = /^--(?:workload|live|phase|ready)(?:=|$)/;

/**
 * Whether a trace is done on a thread of its own. It takes longer to come up, and then is disturbed by nothing: on the main
 * thread a trace waits for all children of the process, and stands still while the event loop has its turn.
 *
 * `words` are those of the command line. Among them may be words of the program's, which do no harm.
 */
export function needsOwnThread(words: readonly string[]): boolean {
  return words.some((word) => OPTIONS.test(word));
}

/** Whether code of somebody else's runs in this process, which may start children of its own. */
export function isShared(): boolean {
  return PRELOADS.test([process.env['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' '));
}
