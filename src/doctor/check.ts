/** A probe's verdict: `undetermined` where the question could not be asked or the answer does not decide. */
export type Status = 'supported' | 'unsupported' | 'undetermined';

/** What a check is needed for; a method works only if every check that it needs does. */
export type Purpose =
  | 'trace --method seccomp'
  | 'trace --method ptrace'
  | 'trace --pid'
  | 'trace --pid of other users'
  | 'set-user-ID programs under trace'
  | 'reading arguments'
  | 'symbol triggers'
  | 'i386 programs'
  | 'x32 programs'
  | 'enforcing a filter'
  | 'supervising a filter'
  | 'eBPF tracing'
  | 'watch';

/** Every method of tracing there is now. */
export const TRACING: readonly Purpose[] = ['trace --method seccomp', 'trace --method ptrace', 'trace --pid'];

/** Part of the machine that a check is about. */
export type Area = 'machine' | 'ptrace' | 'seccomp' | 'privileges' | 'architectures' | 'eBPF';

interface CheckBase {
  readonly area: Area;
  /** The kernel's own word where there is one; unique and stable. */
  readonly name: string;
  /** What was found, in a few words. */
  readonly detail: string;
  /** First kernel release that has it, such as `5.3`; null if no release decides. */
  readonly since: string | null;
  readonly neededFor: readonly Purpose[];
}

/** One thing that was checked; there is something to do exactly where it is not supported. */
export type Check =
  | (CheckBase & { readonly status: 'supported'; readonly advice: null })
  | (CheckBase & { readonly status: 'unsupported' | 'undetermined'; readonly advice: string });

/** What is fixed about a check, whatever it finds. */
export type Question = Omit<CheckBase, 'detail'>;

/** A check that found what it looked for. */
export function supported(question: Question, detail: string): Check {
  return { ...question, detail, status: 'supported', advice: null };
}

/** A check that found that it is not there; `advice` says what to do. */
export function unsupported(question: Question, detail: string, advice: string): Check {
  return { ...question, detail, status: 'unsupported', advice };
}

/** A check that could not find out; `advice` says what to do. */
export function undetermined(question: Question, detail: string, advice: string): Check {
  return { ...question, detail, status: 'undetermined', advice };
}
