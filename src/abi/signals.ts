/**
 * Names of signals 1 to 31 in order. Source: include/uapi/asm-generic/signal.h and arch/x86/include/uapi/asm/signal.h,
 * which agree; of two names the one that POSIX has.
 */
const STANDARD: readonly string[] =
  `SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
  SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO
  SIGPWR SIGSYS`.split(/\s+/);

const ALIASES: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29 };

/** First realtime signal that glibc leaves to programs: the kernel's are 32 to 64, but 32 and 33 serve its threads. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * Name of a signal: `SIGTERM`, from 34 on `SIGRTMIN`, `SIGRTMIN+1` and so on as glibc counts them, `SIG32` and `SIG33`
 * for the two that glibc keeps; null for anything else, 0 included. The same on x86 and aarch64.
 */
export function signalName(signal: number): string | null {
  if (!Number.isInteger(signal) || signal < 1 || signal > SIGRTMAX) return null;
  const name = STANDARD[signal - 1];
  if (name !== undefined) return name;
  if (signal < SIGRTMIN) return `SIG${signal}`;
  return signal === SIGRTMIN ? 'SIGRTMIN' : `SIGRTMIN+${signal - SIGRTMIN}`;
}

/**
 * Number of a signal's name, or null. Takes every name that {@link signalName} gives, second names (`SIGPOLL`),
 * `SIGRTMAX` and `SIGRTMAX-2`.
 */
export function signalNumber(name: string): number | null {
  const index = STANDARD.indexOf(name);
  if (index >= 0) return index + 1;
  if (Object.hasOwn(ALIASES, name)) return ALIASES[name] ?? null;
  if (name === 'SIG32' || name === 'SIG33') return Number(name.slice(3));
  const realtime = /^SIGRT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/.exec(name);
  if (realtime === null) return null;
  const signal = name.startsWith('SIGRTMIN')
    ? SIGRTMIN + Number(realtime[1] ?? 0)
    : SIGRTMAX - Number(realtime[2] ?? 0);
  return signal >= SIGRTMIN && signal <= SIGRTMAX ? signal : null;
}
