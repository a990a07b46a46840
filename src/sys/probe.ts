import { openLibc, type Libc } from './libc.ts';
import { probeBpf } from './probe-bpf.ts';
import { callInChild, runInChild } from './probe-child.ts';
import { everyPtrace, everySeccomp, untriedFacts, type Answer, type NativeFacts } from './probe-facts.ts';
import { assembleCall, assembleI386Exit } from './probe-image.ts';
import { openProbeLibc } from './probe-libc.ts';
import { probePtrace } from './probe-ptrace.ts';
import { probeActions, probeFlags, probeTraceStop } from './probe-seccomp.ts';

/** Numbers of the x86-64 table; source: arch/x86/entry/syscalls/syscall_64.tbl. */
const SYS_getpid = 39;
const SYS_ptrace = 101;
const SYS_prctl = 157;
const SYS_process_vm_readv = 310;
const SYS_seccomp = 317;
const SYS_bpf = 321;
const X32_SYSCALL_BIT = 0x40000000;

const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;

/** What the probes must know of this process beforehand. */
export interface ProbeOptions {
  /** A seccomp filter is on this process: it may kill for a call, so each is first made by a child. */
  readonly filtered: boolean;
  /** A filter may be installed without no_new_privs (CAP_SYS_ADMIN). */
  readonly privileged: boolean;
}

/**
 * Tries what callgate needs, on the calling thread, with children that live for microseconds and are reaped before this
 * returns. Changes nothing about the calling process.
 */
export function probeNative(options: ProbeOptions): NativeFacts {
  let libc: Libc;
  try {
    libc = openLibc();
  } catch (error) {
    return untriedFacts((error as Error).message);
  }
  const glibc = libc.glibcVersion();
  if (process.arch !== 'x64') {
    return { ...untriedFacts('the probes are x86-64 programs'), unavailable: null, glibc };
  }
  const launcher = runInChild(libc, assembleCall(SYS_getpid, []));
  const noChild: Answer | null =
    launcher.kind === 'value' ? null : { kind: 'untried', reason: 'no child could be started' };
  const guard = (nr: number): Answer | null => (options.filtered ? (noChild ?? killedFor(libc, nr)) : null);
  const ptraceBar = guard(SYS_ptrace);
  const seccompBar = guard(SYS_seccomp);
  const probes = openProbeLibc();
  const offers =
    seccompBar === null
      ? { actions: probeActions(libc, probes), flags: probeFlags(libc, probes) }
      : everySeccomp(seccompBar);
  const call = (nr: number, args: readonly number[]): Answer =>
    noChild ?? callInChild(libc, assembleCall(nr, args));
  return {
    unavailable: null,
    glibc,
    launcher,
    ptrace:
      noChild === null
        ? probePtrace(libc, { ptrace: ptraceBar, readMemory: guard(SYS_process_vm_readv) })
        : everyPtrace(noChild),
    seccomp: { ...offers, traceStop: noChild ?? ptraceBar ?? probeTraceStop(libc, !options.privileged) },
    getNoNewPrivs: call(SYS_prctl, [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0]),
    setNoNewPrivs: call(SYS_prctl, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]),
    i386: noChild ?? runInChild(libc, assembleI386Exit()),
    x32: call(SYS_getpid | X32_SYSCALL_BIT, []),
    bpf: guard(SYS_bpf) ?? probeBpf(libc, probes),
  };
}

/** The answer if a child that makes this call, with arguments that cannot succeed, is killed for it; else null. */
function killedFor(libc: Libc, nr: number): Answer | null {
  const answer = callInChild(libc, assembleCall(nr, [-1, -1, -1, -1, -1]));
  return answer.kind === 'killed' ? answer : null;
}
