import type { Libc } from './libc.ts';
import { TraceeMemory } from './memory.ts';
import { attempt, endOf, ProbeChild } from './probe-child.ts';
import { everyPtrace, type Answer, type PtraceFacts } from './probe-facts.ts';
import {
  Ptrace,
  PTRACE_DETACH,
  PTRACE_EVENT_STOP,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_SYSCALL,
  PTRACE_SYSCALL_INFO_ENTRY,
} from './ptrace.ts';
import { assembleDoorbell } from './trampoline.ts';
import type { WaitStatus } from './wait.ts';

/** Where the doorbell's ELF header is mapped. */
const IMAGE_BASE = 0x400000n;
const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const;

/** What the doorbell calls for ever; it may still be on the way there. */
const SYS_pause = 34;

/** Stops to look at, at most, for that call. */
const STOPS = 8;

/** What is known beforehand to kill the caller, and so is not to be called; null where nothing does. */
export interface PtraceBars {
  readonly ptrace: Answer | null;
  readonly readMemory: Answer | null;
}

/** Traces a child on the calling thread, request by request; what comes after a failure is not tried. */
export function probePtrace(libc: Libc, bars: PtraceBars): PtraceFacts {
  const untried = everyPtrace({ kind: 'untried', reason: 'an earlier step failed' });
  if (bars.ptrace !== null) return { ...untried, seize: bars.ptrace };
  const ptrace = new Ptrace(libc);
  let child: ProbeChild;
  try {
    child = new ProbeChild(libc, assembleDoorbell());
  } catch (error) {
    return {
      ...untried,
      seize: attempt(() => {
        throw error;
      }),
    };
  }
  using owned = child;
  const { pid } = owned;
  const seize = attempt(() => {
    ptrace.seize(pid, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    return { kind: 'value', value: 0 };
  });
  if (seize.kind !== 'value') return { ...untried, seize };
  const interrupt = attempt(() => {
    ptrace.interrupt(pid);
    return eventOf(owned.next());
  });
  if (interrupt.kind !== 'value') return { ...untried, seize, interrupt };
  const readMemory = bars.readMemory ?? readHeader(libc, pid);
  const writeMemory = rewriteHeader(libc, pid);
  const syscallInfo = attempt(() => findEnterStop(ptrace, owned));
  const detach = attempt(() =>
    ptrace.resume(PTRACE_DETACH, pid, 0) ? { kind: 'value', value: 0 } : { kind: 'error', errno: 3 },
  );
  return { seize, interrupt, syscallInfo, readMemory, writeMemory, detach };
}

function eventOf(status: WaitStatus | null): Answer {
  if (status?.kind !== 'stopped') return endOf(status);
  return status.event === PTRACE_EVENT_STOP ? { kind: 'value', value: status.event } : endOf(status);
}

function readHeader(libc: Libc, pid: number): Answer {
  const bytes = new TraceeMemory(libc).read(pid, IMAGE_BASE, ELF_MAGIC.length);
  if (bytes === null) return { kind: 'error', errno: libc.errno() };
  return ELF_MAGIC.every((byte, index) => bytes[index] === byte)
    ? { kind: 'value', value: bytes.length }
    : { kind: 'untried', reason: 'the bytes read are not those of the image' };
}

function rewriteHeader(libc: Libc, pid: number): Answer {
  const written = new TraceeMemory(libc).write(pid, IMAGE_BASE, Uint8Array.from(ELF_MAGIC));
  return { kind: 'value', value: written ? ELF_MAGIC.length : 0 };
}

/** The number is known beforehand, so this also shows that the kernel tells the right one. */
function findEnterStop(ptrace: Ptrace, child: ProbeChild): Answer {
  for (let stop = 0; stop < STOPS; stop++) {
    ptrace.resume(PTRACE_SYSCALL, child.pid, 0);
    const status = child.next();
    if (status?.kind !== 'stopped') return endOf(status);
    if (!ptrace.fetchSyscallInfo(child.pid)) return { kind: 'error', errno: 3 };
    if (ptrace.op === PTRACE_SYSCALL_INFO_ENTRY && ptrace.nr === SYS_pause) {
      return { kind: 'value', value: ptrace.nr };
    }
  }
  return { kind: 'untried', reason: `no enter-stop of pause among ${STOPS} stops` };
}
