import { hasBit } from '../abi/capabilities.ts';
import type { NativeFacts } from '../sys/probe-facts.ts';

/** What a file of one value, such as a sysctl, holds. */
export type Setting =
  | { readonly kind: 'value'; readonly text: string }
  /** The kernel does not have it. */
  | { readonly kind: 'absent' }
  /** It may be there, but cannot be read; `reason` is an error name. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** This process as /proc/self/status tells it; source: proc_pid_status(5). */
export interface SelfFacts {
  /** Capability sets as bit masks. */
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivs: boolean | null;
  /** 0 off, 1 strict, 2 filter; null if the kernel has no seccomp. */
  readonly seccompMode: number | null;
  /** Filters on this process; null before Linux 5.9. */
  readonly seccompFilters: number | null;
  /** Pid of our own tracer, 0 if there is none. */
  readonly tracerPid: number;
}

/** /sys/kernel/btf/vmlinux. */
export type BtfFacts =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** `sysEnter`: the raw tracepoint sys_enter is described in it. */
  | { readonly kind: 'read'; readonly size: number; readonly sysEnter: boolean };

/** Everything that the checks judge; plain data, so that a test can write any machine down. */
export interface Facts {
  /** Release of Node without the `v`. */
  readonly node: string;
  /** As `uname -m` has it. */
  readonly machine: string;
  readonly kernel: string;
  /** null if /proc is not mounted. */
  readonly self: SelfFacts | null;
  /** Mount options of /proc, or null. */
  readonly procOptions: readonly string[] | null;
  readonly yama: Setting;
  readonly actionsAvailable: Setting;
  readonly memfdNoexec: Setting;
  readonly unprivilegedBpf: Setting;
  readonly perfEventParanoid: Setting;
  /** Signs that this is a container, such as `/.dockerenv`; empty if there are none. */
  readonly containerHints: readonly string[];
  /** Whether all user ids of the machine are mapped here; null if unknown. */
  readonly allUsersMapped: boolean | null;
  /** Whether pids are here what they are to the kernel. */
  readonly initialPids: boolean;
  readonly btf: BtfFacts;
  readonly native: NativeFacts;
}

/** Whether a capability is effective. */
export function haveCapability(facts: Facts, capability: number): boolean {
  return facts.self !== null && hasBit(facts.self.effective, capability);
}

/** Whether a release such as `5.10.0-28-amd64` is at least `minimum`, such as `5.3`; null if it is no release. */
export function isRelease(release: string, minimum: string): boolean | null {
  const [have, want] = [release, minimum].map((text) => /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)?.slice(1));
  if (have === undefined || want === undefined) return null;
  for (const [index, part] of want.entries()) {
    const difference = Number(have[index] ?? 0) - Number(part ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** The value, or why there is none. */
export function describeSetting(setting: Setting): string {
  switch (setting.kind) {
    case 'value':
      return setting.text;
    case 'absent':
      return 'absent';
    case 'unreadable':
      return `unreadable (${setting.reason})`;
  }
}
