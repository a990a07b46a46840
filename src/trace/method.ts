import { existsSync, readlinkSync } from 'node:fs';
import { CAP, hasBit } from '../abi/capabilities.ts';
import type { TracingMethod, TraceRequest } from './backend.ts';
import { ownCapabilities } from './proc.ts';

/** Number of the initial pid namespace; source: include/linux/proc_ns.h, PROC_PID_INIT_INO. */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

/** How a trace is done, and why so where callgate has decided. */
export interface MethodChoice {
  readonly method: TracingMethod;
  /** What is done if the machine turns out not to be able to do that. */
  readonly fallback: TracingMethod | null;
  /** Null if the method was asked for. */
  readonly reason: string | null;
}

/** What decides besides the machine. */
export interface MethodWish {
  readonly method: TracingMethod | 'auto';
  readonly target: TraceRequest['target'];
  readonly hasSymbolTrigger: boolean;
  /** Phases are given, or are to be proposed: last uses are wanted. */
  readonly wantsPhases: boolean;
  readonly isEnforced: boolean;
  /** How calls end is wanted. */
  readonly wantsErrors: boolean;
}

/** Why eBPF cannot be used here, as far as that shows at a glance; null if it probably can. */
export type EbpfObstacle = () => string | null;

/** Chooses the method: eBPF where it works and can do what is asked for, else one of the others. */
export function chooseMethod(wish: MethodWish, obstacleOf: EbpfObstacle = ebpfObstacle): MethodChoice {
  const { method, target, isEnforced } = wish;
  if (method !== 'auto') return { method, fallback: null, reason: null };
  if (target.kind === 'scope') return { method: 'ebpf', fallback: null, reason: null };
  // What a filter denies is not seen by eBPF, and filters are put in place by a tracer.
  if (isEnforced) return { method: 'seccomp', fallback: null, reason: null };
  const other = withoutEbpf(wish);
  const obstacle = obstacleOf();
  if (obstacle !== null) return { method: other, fallback: null, reason: `eBPF cannot be used: ${obstacle}` };
  return { method: 'ebpf', fallback: other, reason: 'it costs the program least' };
}

function withoutEbpf({ target, wantsErrors, wantsPhases, hasSymbolTrigger }: MethodWish): TracingMethod {
  if (target.kind === 'attach' || wantsErrors) return 'ptrace';
  return wantsPhases || hasSymbolTrigger ? 'seccomp' : 'adaptive';
}

/** Why eBPF cannot be used here, or null if nothing is known to be in the way. */
export function ebpfObstacle(): string | null {
  const own = ownCapabilities();
  if (!hasBit(own, CAP.SYS_ADMIN) && !(hasBit(own, CAP.BPF) && hasBit(own, CAP.PERFMON)))
    return 'it needs CAP_BPF and CAP_PERFMON, or root';
  if (!existsSync('/sys/kernel/btf/vmlinux')) return 'there is no /sys/kernel/btf/vmlinux';
  return isInInitialPidNamespace() ? null : 'callgate is in a pid namespace of its own';
}

/** Whether pids are here what they are to the kernel, which is what programs in it see. */
export function isInInitialPidNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === INITIAL_PID_NAMESPACE;
  } catch {
    return false;
  }
}
