import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { openLibc } from '../../src/sys/libc.ts';
import {
  Ptrace,
  PTRACE_CONT,
  PTRACE_EVENT_EXIT,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_STOP,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACEEXIT,
  PTRACE_O_TRACEFORK,
} from '../../src/sys/ptrace.ts';
import { decodeStatus, Waiter } from '../../src/sys/wait.ts';

const SIGKILL = 9;

const libc = openLibc();
const ptrace = new Ptrace(libc);
const waiter = new Waiter(libc);

/** Waits until a tracee stops by an event; what else it stops for is let pass. */
function stopBy(tid: number, event: number): void {
  while (waiter.tracee(tid) === tid) {
    const status = decodeStatus(waiter.status);
    if (status.kind !== 'stopped') break;
    if (status.event === event) return;
    ptrace.resume(PTRACE_CONT, tid, status.event === PTRACE_EVENT_STOP ? 0 : status.signal);
  }
  throw new Error(`task ${tid} did not stop by event ${event}`);
}

it('the message of an event is not taken from the exit that a kill has taken the tracee to', () => {
  const child = spawn('sh', ['-c', 'while :; do (:); done'], { stdio: 'ignore' });
  const tid = child.pid as number;
  try {
    // From here on nothing is awaited: a ptrace-stop must not be seen by Node's own wait.
    ptrace.seize(tid, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
    stopBy(tid, PTRACE_EVENT_FORK);
    expect(ptrace.eventMessage(tid, PTRACE_EVENT_FORK)).toBeGreaterThan(SIGKILL);
    libc.kill(tid, SIGKILL);
    stopBy(tid, PTRACE_EVENT_EXIT);
    // What a tracer asks that has not heard of the exit yet.
    expect(ptrace.eventMessage(tid, PTRACE_EVENT_FORK)).toBeNull();
    expect(ptrace.eventMessage(tid, PTRACE_EVENT_EXIT)).toBe(SIGKILL);
  } finally {
    child.kill('SIGKILL');
    ptrace.resume(PTRACE_CONT, tid, 0);
  }
});
