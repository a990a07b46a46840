import { ARCHES, type Arch } from '../../abi/arch.ts';
import { syscallName } from '../../abi/syscalls.ts';
import type { EventLoop } from '../../sys/event-loop.ts';
import type { Libc } from '../../sys/libc.ts';
import { TraceeMemory } from '../../sys/memory.ts';
import * as pt from '../../sys/ptrace.ts';
import { spawnImage } from '../../sys/spawn.ts';
import { assembleDoorbell, DOORBELL_WAIT } from '../../sys/trampoline.ts';
import { decodeStatus, Waiter, type WaitStatus } from '../../sys/wait.ts';
import type { Backend, BackendHost, BackendResult, TraceRequest } from '../backend.ts';
import { hasEnded, listThreads, readStatus } from '../proc.ts';
import { Programs } from '../programs.ts';
import type { CallRecord, ProcessRecord } from '../recorder.ts';
import { inheritsFilter, STOP_DATA } from '../seccomp-filters.ts';
import { Watches } from '../watches.ts';
import { Adaptive } from './adaptive.ts';
import { attach } from './attach.ts';
import { Breakpoints } from './breakpoints.ts';
import { CallHandler } from './calls.ts';
import { Enforcer } from './enforcer.ts';
import type { Context } from './context.ts';
import { Family, toExit } from './family.ts';
import { explainSeize, launch } from './launch.ts';
import { hideInterrupt } from './restart.ts';
import { makerOf } from './maker.ts';
import { MissingSymbols } from './missing-symbols.ts';
import type { Task } from './task.ts';
import { Tracebacks } from './tracebacks.ts';

const SIGKILL = 9;
const SIGTRAP = 5;
/** What a doorbell sends itself when there is something for the event loop to do. */
const SIGURG = 23;
const SIGTRAP_SYSCALL = SIGTRAP | 0x80;
const ENOSYS = 38n;
/** si_code of a signal from the kernel, as those of the terminal are. */
const SI_KERNEL = 0x80;
/** SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU. */
const STOP_SIGNALS: ReadonlySet<number> = new Set([19, 20, 21, 22]);

/** How often a doorbell may be killed before it is traced, in a row; then the run ends, and what it started with it. */
const DOORBELL_ATTEMPTS = 20;

/** How long a signal from the terminal counts as the one that callgate got as well; nanoseconds. */
const SAME_SIGNAL = 1e9;

const FOLLOW =
  pt.PTRACE_O_TRACESYSGOOD |
  pt.PTRACE_O_TRACEFORK |
  pt.PTRACE_O_TRACEVFORK |
  pt.PTRACE_O_TRACECLONE |
  pt.PTRACE_O_TRACEEXEC;

/** Traces by ptrace until no tracee is left; the back end for the methods `seccomp`, `ptrace` and `adaptive`. */
export const tracePtrace: Backend = (request, host, libc) => new PtraceTracer(request, host, libc).run();

class PtraceTracer {
  readonly #context: Context;
  readonly #family: Family;
  readonly #breakpoints: Breakpoints;
  readonly #missing: MissingSymbols;
  readonly #calls: CallHandler;
  readonly #enforcer: Enforcer | null;
  readonly #adaptive: Adaptive | null;
  readonly #terminalSignals: Map<number, number> = new Map();
  /** Whether the program that was started goes on without being traced. */
  #isReleased = false;
  #doorbell = 0;
  #detaching = false;
  #detached = false;
  /**
   * Processes whose first thread has ended and is still our tracee, by its tid: its end is told only with that of all. Null once they have been
   * let go of.
   */
  readonly #headless: Map<number, ProcessRecord | null> = new Map();
  /** Everything has been sent SIGKILL; what is born now gets it as well. */
  #killing = false;
  #command: readonly string[] = [];

  constructor(request: TraceRequest, host: BackendHost, libc: Libc) {
    const started = request.target.kind === 'launch';
    const watches = new Watches(
      request.phases,
      request.ready,
      host.recorder,
      () => this.#family.processes.values(),
      (phase, process, at) => this.#fired(phase, process?.pid ?? null, at),
    );
    const ptrace = new pt.Ptrace(libc);
    const memory = new TraceeMemory(libc);
    const { enforcement } = request;
    const isUnderFilter = started && enforcement === null && inheritsFilter();
    const hasStopFilter = enforcement?.audit ?? (request.method !== 'ptrace' && !isUnderFilter);
    this.#context = {
      request,
      host,
      recorder: host.recorder,
      libc,
      ptrace,
      tracebacks: new Tracebacks(ptrace, memory),
      memory,
      waiter: new Waiter(libc),
      watches,
      tasks: new Map(),
      unhandled: [],
      inheritsFilter: isUnderFilter,
      options:
        FOLLOW |
        (started ? pt.PTRACE_O_EXITKILL : 0) |
        (hasStopFilter ? pt.PTRACE_O_TRACESECCOMP : 0) |
        // At its end a task that a filter killed still shows its last call.
        (enforcement === null ? 0 : pt.PTRACE_O_TRACEEXIT),
    };
    const programs = new Programs(host.recorder, libc);
    this.#enforcer = enforcement === null ? null : new Enforcer(this.#context, enforcement, programs);
    this.#adaptive = request.method === 'adaptive' ? new Adaptive(this.#context) : null;
    this.#family = new Family(this.#context, programs);
    this.#breakpoints = new Breakpoints(this.#context);
    this.#missing = new MissingSymbols(this.#context, this.#breakpoints);
    this.#calls = new CallHandler(this.#context, this.#breakpoints, this.#missing, this.#adaptive);
  }

  *run(): Generator<void, BackendResult> {
    const { request, host } = this.#context;
    this.#doorbell = this.#installDoorbell();
    try {
      host.send({ kind: 'doorbell', pid: this.#doorbell });
      if (request.enforcement?.audit === true && inheritsFilter()) {
        const text = 'the program inherits a seccomp filter: a call that it denies is not reported';
        host.send({ kind: 'warning', text });
      }
      if (request.target.kind === 'launch') {
        const { task, outside } = launch(this.#context, this.#family, request.target);
        this.#begin(task);
        if (outside !== null) this.#enforcer?.auditLaunch(task, outside);
        this.#missing.began(task);
        task.execing = true;
        this.#resume(task, 0);
      } else if (request.target.kind === 'attach') {
        for (const task of attach(this.#context, this.#family, request.target)) this.#begin(task);
        this.#missing.tell([...this.#family.processes.values()]);
      }
      do yield* this.#follow();
      while (this.#headless.size === 0 && this.#findLeftBehind());
      this.#leaveHeadless();
      this.#outlast();
    } finally {
      this.#removeDoorbell();
    }
    return {
      exit: this.#family.rootExit,
      lost: 0,
      detached: this.#detached,
      entered: this.#context.watches.entered,
      command: this.#command,
    };
  }

  /** A program that was released is still our child: callgate ends when and as it does. */
  #outlast(): void {
    const { root, rootExit } = this.#family;
    if (root === null || rootExit !== null || this.#enforcer === null) return;
    const { waiter } = this.#context;
    if (waiter.child(root) === root) this.#rootEnded(decodeStatus(waiter.status));
  }

  #rootEnded(status: WaitStatus): void {
    if (status.kind === 'stopped') return;
    this.#family.rootExit = toExit(status);
    this.#context.host.send({ kind: 'root-ended', exit: this.#family.rootExit });
  }

  #begin(task: Task): void {
    if (this.#command.length === 0) this.#command = task.process.argv ?? [];
    this.#calls.noteStreams(task.process.pid);
    this.#enforcer?.began(task.process);
    this.#breakpoints.place(task);
  }

  /** A process that does nothing: a signal sent to it makes the wait below return, and so does what there is for the event loop to do. */
  #installDoorbell(): number {
    const { libc, ptrace, waiter, request, host } = this.#context;
    for (let attempt = 1; ; attempt++) {
      const descriptor = host.eventLoop?.descriptor ?? null;
      const pid = spawnImage(libc, assembleDoorbell(descriptor), {
        argv: ['callgate'],
        env: [],
        descriptors: descriptor === null || descriptor === -1 ? [] : [{ from: descriptor, to: descriptor }],
        cwd: null,
      });
      try {
        ptrace.seize(pid, pt.PTRACE_O_EXITKILL);
        return pid;
      } catch (error) {
        const isKilled = readStatus(pid)?.get('State')?.[0] === 'Z';
        libc.kill(pid, SIGKILL);
        waiter.child(pid);
        if (!isKilled || attempt === DOORBELL_ATTEMPTS)
          throw explainSeize(error, request.enforcement !== null);
      }
    }
  }

  #removeDoorbell(): void {
    if (this.#doorbell === 0) return;
    // SAFETY: no memory is passed; the doorbell is our own child and reaped only here.
    this.#context.libc.kill(this.#doorbell, SIGKILL);
    this.#context.waiter.child(this.#doorbell);
    this.#doorbell = 0;
  }

  /**
   * Looks for a tracee that is not known yet: a child whose parent was killed as it made it, before its first stop.
   * Only without the doorbell does the kernel say that there is none.
   */
  #findLeftBehind(): boolean {
    this.#removeDoorbell();
    const { waiter } = this.#context;
    const tid = waiter.next();
    if (tid === 0) return false;
    const status = decodeStatus(waiter.status);
    this.#renewDoorbell();
    this.#news(tid, status);
    return true;
  }

  *#follow(): Generator<void, void> {
    const { eventLoop = null } = this.#context.host;
    while (this.#loop(eventLoop !== null) === 'turn') {
      yield;
      this.#awaitTurn(eventLoop as EventLoop);
    }
  }

  /** Returns when all are gone, or the event loop is to have its turn while the doorbell stands still. */
  #loop(takesTurns: boolean): 'over' | 'turn' {
    const { tasks, waiter, host, watches, unhandled } = this.#context;
    while (tasks.size > 0 || this.#isRootReleased()) {
      const early = unhandled.shift();
      const tid = early?.tid ?? waiter.next();
      if (tid === 0) break;
      const status = early?.status ?? decodeStatus(waiter.status);
      if (tid !== this.#doorbell) this.#news(tid, status);
      else if (takesTurns && status.kind === 'stopped' && status.signal === SIGURG) return 'turn';
      else this.#ring(status);
      host.report(tasks.size, watches.phase);
    }
    return 'over';
  }

  /** Lets the doorbell wait until there is something for the event loop to do. */
  #awaitTurn(eventLoop: EventLoop): void {
    const { ptrace } = this.#context;
    if (ptrace.getRegisters(this.#doorbell)) {
      ptrace.registers[pt.REG.r12] = BigInt.asUintN(64, BigInt(eventLoop.timeout()));
      // Whatever it was doing: that may be an earlier wait, which the kernel would go on with.
      ptrace.registers[pt.REG.rip] = DOORBELL_WAIT;
      ptrace.registers[pt.REG.orig_rax] = BigInt.asUintN(64, -1n);
      ptrace.setRegisters(this.#doorbell);
    }
    ptrace.resume(pt.PTRACE_CONT, this.#doorbell, 0);
  }

  /** Whether the program goes on without being traced, as a child whose end is still to come. */
  #isRootReleased(): boolean {
    return this.#isReleased && this.#family.rootExit === null;
  }

  #ring(status: WaitStatus): void {
    const { host, ptrace } = this.#context;
    for (let command = host.receive(); command !== null; command = host.receive()) this.#obey(command);
    if (status.kind === 'stopped') ptrace.resume(pt.PTRACE_CONT, this.#doorbell, 0);
    else this.#renewDoorbell();
  }

  /** Whoever runs as the same user can kill a doorbell, and no command would be heard any more: no phase would begin. */
  #renewDoorbell(): void {
    this.#doorbell = 0;
    this.#doorbell = this.#installDoorbell();
    this.#context.host.send({ kind: 'doorbell', pid: this.#doorbell });
  }

  #obey(command: NonNullable<ReturnType<BackendHost['receive']>>): void {
    const { host, watches, tasks, ptrace, libc } = this.#context;
    switch (command.kind) {
      case 'fire':
        watches.fireTree(command.phase, host.now());
        return;
      case 'signal':
        this.#signal(command.signal);
        return;
      case 'forward': {
        const seen = this.#terminalSignals.get(command.signal);
        if (seen === undefined || host.now() - seen > SAME_SIGNAL) this.#signal(command.signal);
        return;
      }
      case 'kill':
        this.#killing = true;
        for (const pid of this.#family.reachable().keys()) libc.kill(pid, SIGKILL);
        return;
      case 'detach':
        this.#detaching = true;
        for (const task of tasks.values()) {
          ptrace.interrupt(task.tid);
          this.#leaveEnded(task);
        }
        return;
    }
  }

  /** To the program, or once that is gone to what it left behind. */
  #signal(signal: number): void {
    const { libc } = this.#context;
    const { root, rootExit } = this.#family;
    // SAFETY: no memory is passed; the pids of tracees, and of a child, cannot be reused before this thread has waited for them.
    if (root !== null && rootExit === null) {
      libc.kill(root, signal);
      return;
    }
    const processes = this.#family.reachable();
    for (const process of processes.values()) {
      const maker = makerOf(process);
      if (maker === null || !processes.has(maker.pid)) libc.kill(process.pid, signal);
    }
  }

  #news(tid: number, status: WaitStatus): void {
    this.#take(tid, status);
    if (!this.#family.hasStrangers) return;
    for (const adopted of this.#family.adoptStrangers()) this.#resume(adopted, 0);
  }

  #take(tid: number, status: WaitStatus): void {
    const { tasks, host, libc, recorder } = this.#context;
    const at = host.now();
    if (status.kind !== 'stopped') {
      const task = tasks.get(tid);
      if (task === undefined && tid === this.#family.root && this.#isReleased) {
        this.#rootEnded(status);
        return;
      }
      const headless = this.#headless.get(tid);
      if (headless !== undefined) {
        this.#headless.delete(tid);
        if (headless !== null) recorder.endProcess(headless, toExit(status), at);
        return;
      }
      if (task !== undefined) this.#endWait(task, at);
      this.#family.ended(tid, status, at);
      if (task?.process.pid === tid) this.#adaptive?.ended(task.process, at);
      return;
    }
    const task = tasks.get(tid);
    if (status.event === pt.PTRACE_EVENT_EXEC) {
      this.#exec(tid, at);
    } else if (task === undefined) {
      this.#family.stranger(tid, at);
      if (this.#killing) libc.kill(tid, SIGKILL);
    } else {
      this.#endWait(task, at);
      this.#stop(task, status.signal, status.event, at);
    }
  }

  #stop(task: Task, signal: number, event: number, at: number): void {
    // Between a clone call's entry and its event there is no stop but the filter's, and that of a kill.
    if (event !== pt.PTRACE_EVENT_SECCOMP && event !== pt.PTRACE_EVENT_EXIT) task.cloning = false;
    if (!isBirth(event)) {
      this.#enforcer?.seen(task);
      this.#adaptive?.stopped(task);
    }
    switch (event) {
      case pt.PTRACE_EVENT_EXIT:
        task.ending = true;
        this.#enforcer?.ending(
          task,
          this.#context.ptrace.eventMessage(task.tid, pt.PTRACE_EVENT_EXIT) ?? 0,
          at,
        );
        this.#resume(task, 0);
        return;
      case pt.PTRACE_EVENT_SECCOMP:
        this.#seccompStop(task, at);
        return;
      case pt.PTRACE_EVENT_FORK:
      case pt.PTRACE_EVENT_VFORK:
      case pt.PTRACE_EVENT_CLONE:
        this.#birth(task, event, at);
        return;
      case pt.PTRACE_EVENT_STOP:
        this.#eventStop(task, signal);
        return;
      default:
        if (signal === SIGTRAP_SYSCALL) this.#syscallStop(task, at);
        else this.#delivery(task, signal, at);
    }
  }

  #seccompStop(task: Task, at: number): void {
    const { ptrace } = this.#context;
    if (ptrace.fetchSyscallInfo(task.tid)) {
      const isOurs = ptrace.stopData === STOP_DATA;
      if (this.#enforcer === null) {
        // With syscall stops the entry stop, which comes first, has recorded the call.
        if (!task.entered) this.#calls.enter(task, at);
      } else if (isOurs) {
        this.#enforcer.audit(task, at);
        // With syscall stops the entry stop has seen to it.
        if (!task.entered && ptrace.fetchSyscallInfo(task.tid)) this.#calls.keepInSight(task);
      }
      if (!isOurs) this.#refuse(task);
    }
    this.#resume(task, 0);
  }

  /** A filter of the program's own wants its tracer, which it has not: the call fails, as it would without callgate. */
  #refuse(task: Task): void {
    const { ptrace } = this.#context;
    if (!ptrace.getRegisters(task.tid)) return;
    ptrace.registers[pt.REG.orig_rax] = BigInt.asUintN(64, -1n);
    ptrace.registers[pt.REG.rax] = BigInt.asUintN(64, -ENOSYS);
    ptrace.setRegisters(task.tid);
  }

  #syscallStop(task: Task, at: number): void {
    const { ptrace } = this.#context;
    if (ptrace.fetchSyscallInfo(task.tid)) {
      if (ptrace.op === pt.PTRACE_SYSCALL_INFO_ENTRY) {
        task.onExit = null;
        task.entered = true;
        task.execing = false;
        this.#calls.enter(task, at);
        if (this.#isLeaving(task)) {
          // Detaching here would leave the task with a wake-up pending, and a call that waits would return EINTR:
          // it has to be seen how the call ends.
          task.interrupted = ptrace.interrupt(task.tid);
          ptrace.resume(pt.PTRACE_SYSCALL, task.tid, 0);
          return;
        }
        if (this.#settle(task)) return;
      } else if (ptrace.op === pt.PTRACE_SYSCALL_INFO_EXIT) {
        this.#exitStop(task, at);
        // After an interrupt a task with syscall stops stops here and nowhere else.
        if (this.#isLeaving(task) || task.interrupted) this.#hideInterrupt(task);
        if (this.#settle(task)) return;
      }
    }
    this.#resume(task, 0);
  }

  #exitStop(task: Task, at: number): void {
    const { ptrace, recorder } = this.#context;
    const { call, onExit } = task;
    task.entered = false;
    task.call = null;
    task.onExit = null;
    const value = ptrace.returnValue;
    // 512 and above are the kernel's own restart codes: the call is not over.
    const isError = this.#adaptive === null && call !== null && ptrace.isError && value > -512;
    if (isError && !isSignalReturn(call)) recorder.errno(call, -value);
    onExit?.(value);
    if (call !== null) this.#adaptive?.settle(task, call, value, at);
  }

  #eventStop(task: Task, signal: number): void {
    const { ptrace, host } = this.#context;
    restore(task);
    if (task.attaching) {
      task.attaching = false;
      const interrupted = hideInterrupt(this.#context, task);
      if (interrupted !== null && ptrace.fetchSyscallInfo(task.tid)) {
        this.#calls.enterInterrupted(task, interrupted, ptrace.auditArch, host.now());
      }
    }
    if (this.#isLeaving(task) && this.#breakpoints.isHitPending(task)) {
      // Its SIGTRAP would kill a process that is traced no longer.
      ptrace.resume(pt.PTRACE_SYSCALL, task.tid, 0);
      return;
    }
    if (this.#isLeaving(task) || task.interrupted) this.#hideInterrupt(task);
    // It is past the exec's own stops: without syscall stops nothing else says so.
    task.execing = false;
    task.stopped = STOP_SIGNALS.has(signal);
    if ((!task.stopped || this.#isLeaving(task)) && this.#settle(task)) return;
    this.#resume(task, 0);
  }

  #hideInterrupt(task: Task): void {
    const hidden = hideInterrupt(this.#context, task);
    task.interrupted = false;
    task.skipRestart = hidden?.restartBlock === true;
    task.again = hidden?.restartBlock === false ? hidden.nr : null;
  }

  /** Whether the task is to be let go of at its next stop that is fit for it. */
  #isLeaving(task: Task): boolean {
    return this.#detaching || this.#enforcer?.isReleased(task.process) === true;
  }

  #delivery(task: Task, signal: number, at: number): void {
    const { ptrace } = this.#context;
    if (signal === SIGTRAP && (this.#breakpoints.isStep(task) || this.#breakpoints.hit(task, at))) {
      if (!this.#settle(task)) this.#resume(task, 0);
      return;
    }
    if (signal === 2 || signal === 3 || signal === 20) {
      if (ptrace.signalCode(task.tid) === SI_KERNEL) this.#terminalSignals.set(signal, at);
    }
    this.#resume(task, signal);
  }

  #birth(task: Task, event: number, at: number): void {
    const child = this.#context.ptrace.eventMessage(task.tid, event);
    if (child === null) {
      // Killed in this moment; the child is there, and the end of its maker is told next.
      task.cloning = true;
      return;
    }
    // Otherwise it stopped, was adopted on its own word and let go of before its parent could tell.
    if (!this.#family.isToldLate(child)) {
      const waiting = this.#family.born(task, event, child, at);
      const born = this.#context.tasks.get(child);
      if (born !== undefined) {
        this.#enforcer?.inherit(born.process, task);
        this.#adaptive?.born(born, task);
        born.restore = task.restore;
      }
      if (waiting !== null) restore(waiting);
      if (waiting !== null) this.#resume(waiting, 0);
      if (this.#killing) this.#context.libc.kill(child, SIGKILL);
    }
    this.#resume(task, 0);
  }

  #exec(tid: number, at: number): void {
    const former = this.#context.ptrace.eventMessage(tid, pt.PTRACE_EVENT_EXEC);
    const before = this.#context.tasks.get(former ?? tid)?.process ?? null;
    const task = this.#family.exec(tid, former ?? tid, at);
    if (task === null) {
      // Killed in the middle of it, or a stranger's: its end or its birth is told in a moment.
      if (former !== null) this.#context.ptrace.resume(pt.PTRACE_CONT, tid, 0);
      return;
    }
    if (before !== null) {
      this.#enforcer?.inheritOverExec(task.process, before);
      this.#adaptive?.execed(task.process, before, at);
    }
    task.execing = true;
    if (former === null) return;
    this.#breakpoints.place(task);
    this.#resume(task, 0);
  }

  /** Installs a filter that is due, where the task stands well for it. Returns whether the task has been let go of. */
  #settle(task: Task): boolean {
    const enforcer = this.#enforcer;
    if (enforcer === null || task.execing) return false;
    const wasDue = enforcer.isDue(task.process);
    const nr = wasDue && task.entered ? this.#context.ptrace.nr : null;
    if (enforcer.settle(task) === 'resume') {
      // The call at whose entry it was is made again, and is no further call of the program's.
      if (wasDue && nr !== null) {
        task.again = nr;
        task.entered = false;
        task.call = null;
      }
      return false;
    }
    this.#release(task);
    return true;
  }

  /** Lets go of a process: its tasks that run are made to stop, and follow. */
  #release(task: Task): void {
    const { ptrace, tasks, recorder, host } = this.#context;
    const { process } = task;
    this.#breakpoints.endStep(task);
    this.#breakpoints.clear(task.tid, task.space);
    // What has been killed in this moment is still to end.
    if (!ptrace.resume(pt.PTRACE_DETACH, task.tid, 0)) return;
    tasks.delete(task.tid);
    if (process.pid === this.#family.root) this.#isReleased = true;
    let last = true;
    for (const other of tasks.values()) {
      if (other.process !== process) continue;
      last = false;
      other.interrupted = ptrace.interrupt(other.tid);
    }
    if (!last) return;
    this.#family.letGo(process.pid);
    recorder.endProcess(process, { kind: 'detached' }, host.now());
  }

  /** The first thread of a process may have ended before the others: it never stops again, and is let go of as callgate ends. */
  #leaveEnded({ tid, process }: Task): void {
    if (tid !== process.pid || !hasEnded(tid) || listThreads(tid).length === 1) return;
    this.#context.tasks.delete(tid);
    this.#headless.set(tid, process);
  }

  /** What goes on without its first thread is let go of; what has ended meanwhile has its end to be told. */
  #leaveHeadless(): void {
    const { waiter, host, recorder } = this.#context;
    for (const [pid, process] of this.#headless) {
      if (process === null) continue;
      if (listThreads(pid).length > 1) recorder.endProcess(process, { kind: 'detached' }, host.now());
      else if (waiter.tracee(pid) === pid) this.#take(pid, decodeStatus(waiter.status));
    }
  }

  #endWait(task: Task, at: number): void {
    if (task.wait === null) return;
    task.wait.waited += at - task.waitSince;
    task.wait = null;
  }

  #resume(task: Task, signal: number): void {
    const { ptrace, tasks, recorder, host } = this.#context;
    if (this.#detaching) {
      this.#breakpoints.endStep(task);
      this.#breakpoints.clear(task.tid, task.space);
      ptrace.resume(pt.PTRACE_DETACH, task.tid, signal);
      tasks.delete(task.tid);
      this.#detached = true;
      const { process } = task;
      const first = tasks.get(process.pid);
      if (first !== undefined) this.#leaveEnded(first);
      if (![...tasks.values()].some((other) => other.process === process)) {
        if (this.#headless.has(process.pid)) this.#headless.set(process.pid, null);
        recorder.endProcess(process, { kind: 'detached' }, host.now());
      }
      return;
    }
    if (task.stopped) {
      task.stopped = false;
      ptrace.resume(pt.PTRACE_LISTEN, task.tid, 0);
      return;
    }
    if (task.stepping !== null) {
      ptrace.resume(pt.PTRACE_SINGLESTEP, task.tid, signal);
      return;
    }
    // A signal or a birth came in between, and has used the interrupt up.
    if (this.#enforcer?.isReleased(task.process) === true) task.interrupted = ptrace.interrupt(task.tid);
    const isDue = this.#enforcer?.isDue(task.process) === true;
    // Filtered in the middle of a call, a task is first to come out of it.
    const isInside = this.#adaptive !== null && task.entered;
    const isSyscall = task.syscallStops || task.onExit !== null || isInside || isDue;
    const request = isSyscall ? pt.PTRACE_SYSCALL : pt.PTRACE_CONT;
    ptrace.resume(request, task.tid, signal);
  }

  /** A process that enters a phase in the middle of something gets its filter at a stop that is made for it. */
  #interruptDue(): void {
    const { tasks, ptrace } = this.#context;
    for (const task of tasks.values()) {
      // Again, even if it has been asked already: any stop uses an interrupt up.
      if (this.#enforcer?.isDue(task.process) !== true) continue;
      task.interrupted = ptrace.interrupt(task.tid);
    }
  }

  #fired(phase: number | null, pid: number | null, at: number): void {
    const { host, tasks } = this.#context;
    host.send(phase === null ? { kind: 'ready', at } : { kind: 'phase', phase, pid, at });
    // A process that has hit its trigger itself stands at a stop.
    if (this.#enforcer !== null && pid === null) this.#interruptDue();
    // The next phase's function may be armed now.
    for (const task of tasks.values()) if (this.#breakpoints.wanted(task)) this.#breakpoints.place(task);
  }
}

/** A child that was made by a call of which something had been changed has it as its parent had. */
function restore(task: Task): void {
  task.restore?.(task.tid);
  task.restore = null;
}

/** What such a call returns is the result of the call that the signal had interrupted. */
function isSignalReturn({ arch, nr }: CallRecord): boolean {
  const name = syscallName(ARCHES[arch] as Arch, nr);
  return name === 'rt_sigreturn' || name === 'sigreturn';
}

function isBirth(event: number): boolean {
  return event === pt.PTRACE_EVENT_FORK || event === pt.PTRACE_EVENT_VFORK || event === pt.PTRACE_EVENT_CLONE;
}
