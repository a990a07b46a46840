import type { Libc } from './libc.ts';
import { attempt, endOf, ProbeChild } from './probe-child.ts';
import { PROBED_ACTIONS, PROBED_FLAGS, type Answer } from './probe-facts.ts';
import type { ProbeLibc } from './probe-libc.ts';
import {
  Ptrace,
  PTRACE_CONT,
  PTRACE_EVENT_SECCOMP,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACESECCOMP,
} from './ptrace.ts';
import { assembleTrampoline } from './trampoline.ts';

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;

/** struct sock_filter { BPF_RET | BPF_K, SECCOMP_RET_TRACE }. */
const TRACE_EVERYTHING = new Uint8Array([0x06, 0, 0, 0, 0, 0, 0xf0, 0x7f]);

const SIGCONT = 18;

/** Stops to look at, at most, for the seccomp stop. */
const STOPS = 16;

/** Asks SECCOMP_GET_ACTION_AVAIL for every action. */
export function probeActions(libc: Libc, probes: ProbeLibc): Record<string, Answer> {
  return mapValues(PROBED_ACTIONS, (action) => {
    // SAFETY: the kernel reads one 32-bit word.
    const result = probes.seccomp(SECCOMP_GET_ACTION_AVAIL, 0, Uint32Array.of(action));
    return answerOf(libc, result);
  });
}

/**
 * Offers every flag with a filter program at address 0: the kernel judges the flags before it reads the program, so EFAULT
 * says that the flag is known, and nothing is ever installed.
 */
export function probeFlags(libc: Libc, probes: ProbeLibc): Record<string, Answer> {
  return mapValues(PROBED_FLAGS, (flag) => {
    // WAIT_KILLABLE_RECV is judged only together with the listener that it is about.
    const flags = flag === PROBED_FLAGS.WAIT_KILLABLE_RECV ? flag | PROBED_FLAGS.NEW_LISTENER : flag;
    // SAFETY: the null pointer is the point; the kernel answers EFAULT before anything is installed.
    return answerOf(libc, probes.seccomp(SECCOMP_SET_MODE_FILTER, flags, null));
  });
}

/**
 * Installs a filter that returns SECCOMP_RET_TRACE in a traced child and waits for its PTRACE_EVENT_SECCOMP. The child is
 * killed there; the program that it names does not exist in any case.
 */
export function probeTraceStop(libc: Libc, noNewPrivs: boolean): Answer {
  const image = assembleTrampoline({
    ignoredSignals: 0n,
    blockedSignals: 0n,
    noNewPrivs,
    filter: TRACE_EVERYTHING,
  });
  return attempt(() => {
    using child = new ProbeChild(libc, image, ['callgate-doctor', '']);
    const ptrace = new Ptrace(libc);
    const first = child.next();
    if (first?.kind !== 'stopped') return endOf(first);
    ptrace.seize(child.pid, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
    // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
    libc.kill(child.pid, SIGCONT);
    for (let stop = 0; stop < STOPS; stop++) {
      const status = child.next();
      if (status?.kind === 'exited' && status.code > 128) return { kind: 'error', errno: status.code - 128 };
      if (status?.kind === 'exited') return { kind: 'value', value: -1 };
      if (status?.kind !== 'stopped') return endOf(status);
      if (status.event === PTRACE_EVENT_SECCOMP) {
        return ptrace.fetchSyscallInfo(child.pid)
          ? { kind: 'value', value: ptrace.nr }
          : { kind: 'error', errno: 3 };
      }
      ptrace.resume(PTRACE_CONT, child.pid, 0);
    }
    return { kind: 'untried', reason: `no seccomp stop among ${STOPS} stops` };
  });
}

function answerOf(libc: Libc, result: number): Answer {
  return result === -1 ? { kind: 'error', errno: libc.errno() } : { kind: 'value', value: result };
}

function mapValues(
  table: Readonly<Record<string, number>>,
  ask: (value: number) => Answer,
): Record<string, Answer> {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, ask(value)]));
}
