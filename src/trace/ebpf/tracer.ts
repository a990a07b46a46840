import { milliseconds } from '../../base/clock.ts';
import { ARCHES } from '../../abi/arch.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { SystemCallError, UnsupportedError, UsageError } from '../../base/errors.ts';
import type { Libc } from '../../sys/libc.ts';
import { TraceeMemory } from '../../sys/memory.ts';
import { Waiter } from '../../sys/wait.ts';
import type { Backend, BackendHost, BackendResult, TraceCommand, TraceRequest } from '../backend.ts';
import { isInInitialPidNamespace } from '../method.ts';
import { readExecutable } from '../proc.ts';
import type { ProcessRecord } from '../recorder.ts';
import { denialsUnseen, inheritsFilter } from '../seccomp-filters.ts';
import { triggersOf } from '../trigger.ts';
import { Watches, watchesOf, type Watch } from '../watches.ts';
import { Attachment, LIMITS, type Limits } from './attachment.ts';
import { decodeEvent, type EbpfEvent } from './events.ts';
import { Executables } from './executables.ts';
import { Family } from './family.ts';
import { Guard } from './guard.ts';
import { readHiddenOutput } from './hidden-output.ts';
import { advice, type Asker } from './asker.ts';
import { readKernelFields } from './kernel-image.ts';
import { ARCH_COUNT, ARGV_CAP, NAME_CAP, PATH_CAP, TRIGGER_CAP } from './layout.ts';
import { continueLauncher, followLauncher, reapRoot, startLauncher } from './launch.ts';
import { Pending } from './pending.ts';
import { Poller } from './poller.ts';
import type { CallTrigger, ProgramOptions } from './program.ts';
import { explainRefusal, isOutOfFiles } from './refusal.ts';
import { Scope } from './scope.ts';
import { Symbols } from './symbols.ts';

const SIGKILL = 9;
const SYS_execve = 59;
const X86_64 = ARCHES.indexOf('x86_64');

/** How long a signal from the terminal counts as the one that callgate got as well; nanoseconds. */
const SAME_SIGNAL = 1e9;

/** Longest time between two looks at the events, in milliseconds: shortly after some came, and else. */
const BUSY = 50;
const IDLE = 250;

/** Least time between two looks at the counts, in milliseconds. */
const COUNT_INTERVAL = 400;

/** Traces by programs in the kernel; the back end for the method `ebpf`. */
export const traceEbpf: Backend = (request, host, libc) => new EbpfTracer(request, host, libc, LIMITS).run();

/** The same with maps of another size. */
export function createEbpfBackend(limits: Limits): Backend {
  return (request, host, libc) => new EbpfTracer(request, host, libc, limits).run();
}

class EbpfTracer {
  readonly #request: TraceRequest;
  readonly #host: BackendHost;
  readonly #libc: Libc;
  readonly #limits: Limits;
  readonly #waiter: Waiter;
  readonly #watches: Watches;
  readonly #numbered: readonly Watch[];
  readonly #symbols: Symbols;
  readonly #executables: Executables;
  readonly #scope: Scope;
  readonly #terminalSignals: Map<number, number> = new Map();
  #attachment!: Attachment;
  #family!: Family;
  #origin = process.hrtime.bigint();
  /** When the counts are looked at next, in milliseconds of milliseconds(). */
  #countAt = milliseconds() + COUNT_INTERVAL;
  #root = 0;
  #rootEnded = false;
  #result: { -readonly [K in keyof BackendResult]: BackendResult[K] };
  #guard: Guard | null = null;
  #pending: Pending | null = null;
  #detaching = false;
  #killing = false;
  /** Writes for which a trigger waits, and which nobody could read. */
  #hiddenOutputs = 0;

  constructor(request: TraceRequest, host: BackendHost, libc: Libc, limits: Limits) {
    this.#request = request;
    this.#host = host;
    this.#libc = libc;
    this.#limits = limits;
    this.#waiter = new Waiter(libc);
    this.#executables = new Executables(host.recorder);
    this.#watches = new Watches(
      request.phases,
      request.ready,
      host.recorder,
      () => this.#family.live.values(),
      (phase, process, at) => this.#fired(phase, process?.pid ?? null, at),
    );
    this.#numbered = numberedWatches(request);
    const calls = this.#numbered.filter(({ trigger }) => trigger.kind === 'syscall').length;
    this.#symbols = new Symbols(request, this.#watches, this.#numbered, calls);
    this.#scope = new Scope(request.target, host.recorder, libc, (text) => this.#warn(text));
    this.#result = { exit: null, lost: 0, detached: false, entered: this.#watches.entered, command: [] };
  }

  *run(): Generator<void, BackendResult> {
    using _scope = this.#scope;
    this.#setUp();
    let isDone = false;
    try {
      const { libc, descriptor } = this.#attachment;
      const { eventLoop = null } = this.#host;
      using poller = this.#orRefused(() => new Poller(this.#libc, libc, descriptor, eventLoop));
      // Nothing of a program that is started is lost to the time that this takes: it is not there yet.
      if (this.#request.target.kind === 'launch') this.#orRefused(() => this.#launch(), isOutOfFiles);
      else this.#orRefused(() => this.#attach());
      this.#host.send({ kind: 'eventfd', fd: poller.giveEventfd() });
      yield* this.#loop(poller);
      isDone = true;
    } finally {
      if (isDone) this.#guard?.release();
      else this.#guard?.end();
      this.#attachment[Symbol.dispose]();
    }
    return { ...this.#result, entered: this.#watches.entered };
  }

  /** @throws UnsupportedError if the machine cannot do it; nothing has been started then */
  #setUp(): void {
    const { target } = this.#request;
    const asker = this.#asker;
    if (!isInInitialPidNamespace()) {
      throw new UnsupportedError(
        `trace: callgate is in a pid namespace of its own, in which it cannot tell which processes the kernel means${advice(asker, [], '--method seccomp does without eBPF')}`,
        { feature: 'eBPF' },
      );
    }
    let options!: ProgramOptions;
    this.#orRefused(() => {
      this.#scope.open();
      options = {
        fields: readKernelFields(asker),
        adoption: this.#scope.adoption,
        attaches: target.kind === 'attach',
        cgroup: this.#scope.cgroup,
        mountNamespace: this.#scope.mountNamespace,
        self: process.pid,
        hasTreePhases: this.#request.phases.length > 0,
        triggers: this.#numbered.filter(({ trigger }) => trigger.kind === 'syscall').map(toCallTrigger),
        hasSymbols: !this.#symbols.isEmpty,
        streams: this.#wantsOutput() ? this.#scope.streams() : [],
        tellsCalls: false,
        ...(this.#request.errors ? { errors: true as const } : {}),
      };
      this.#attachment = new Attachment(this.#libc, options, this.#limits, (attachment) => {
        this.#scope.prepare(attachment);
        attachment.setEntries(
          target.kind === 'attach' ? target.pids.length : target.kind === 'launch' ? 1 : 0,
        );
      });
    });
    try {
      this.#symbols.place(this.#request, this.#attachment, options);
    } catch (error) {
      this.#attachment[Symbol.dispose]();
      throw error;
    }
    this.#family = new Family(
      this.#host.recorder,
      this.#attachment,
      this.#executables,
      this.#watches,
      () => this.#origin,
      ({ pid }) => this.#warn(denialsUnseen(`pid ${pid} asked for`)),
    );
  }

  get #asker(): Asker {
    return { command: 'trace', hasAlternative: this.#request.target.kind !== 'scope' };
  }

  /**
   * Sets up a part of what a trace needs, where the kernel refuses eBPF; `isRefusal` tells that from errors that other methods would meet as well.
   *
   * @throws UnsupportedError for a refusal
   */
  #orRefused<Part>(make: () => Part, isRefusal: (error: SystemCallError) => boolean = () => true): Part {
    try {
      return make();
    } catch (error) {
      const isRefused = error instanceof SystemCallError && isRefusal(error);
      throw isRefused ? explainRefusal(error, this.#asker) : error;
    }
  }

  #wantsOutput(): boolean {
    const { phases, ready } = this.#request;
    const triggers = phases.flatMap(triggersOf);
    return [...triggers, ready].some((trigger) => trigger?.kind === 'output');
  }

  #launch(): void {
    const { target } = this.#request;
    if (target.kind !== 'launch') return;
    this.#guard = new Guard(this.#libc, this.#waiter, this.#attachment);
    this.#root = startLauncher(this.#libc, this.#waiter, target, (pid) =>
      this.#orRefused(() => followLauncher(this.#attachment, pid)),
    );
    if (inheritsFilter()) this.#warn(denialsUnseen('the program inherits'));
    continueLauncher(this.#libc, this.#root);
  }

  #attach(): void {
    this.#startClock(process.hrtime.bigint());
    this.#scope.begin(this.#attachment, this.#family, () => this.#now());
    this.#pending = new Pending(this.#attachment);
    const first = [...this.#family.live.values()][0];
    this.#result.command = first?.argv ?? [];
  }

  #startClock(origin: bigint): void {
    this.#origin = origin;
    this.#host.startClock(Number(process.hrtime.bigint() - origin));
  }

  #now(): number {
    return Number(process.hrtime.bigint() - this.#origin);
  }

  *#loop(poller: Poller): Generator<void, void> {
    let idle = false;
    for (;;) {
      this.#pending?.look();
      const count = this.#drain();
      this.#keepCounts();
      this.#host.report(this.#family.live.size, this.#watches.phase);
      if (this.#isOver()) break;
      const { isRung, isTurn } = poller.wait(idle ? IDLE : BUSY);
      if (isTurn) yield;
      if (isRung) {
        this.#drain();
        // Those who ask want what is true now.
        this.#family.refresh();
        for (let command = this.#host.receive(); command !== null; command = this.#host.receive())
          this.#obey(command);
      }
      idle = count === 0 && !isRung;
      if (idle) this.#lookAround();
    }
    this.#finish();
  }

  /** Takes the counts over from the kernel every now and then: for the progress, seldom if that takes long, and to make room. */
  #keepCounts(): void {
    const began = milliseconds();
    if (began < this.#countAt && !this.#family.isCrowded) return;
    this.#family.refresh();
    // Taking a program out of a function makes the kernel wait for a while, which is not worth it for a run that ends at once.
    if (this.#watches.phase > 0 || this.#watches.isReady) {
      this.#symbols.prune(this.#family.live.values(), this.#attachment);
    }
    const settled = this.#family.takeSettled();
    if (settled.length > 0) this.#host.settled(settled);
    const now = milliseconds();
    this.#countAt = now + Math.max(COUNT_INTERVAL, 20 * (now - began));
  }

  #drain(): number {
    return this.#attachment.events.drain((data, at) => {
      const event = decodeEvent(data, at);
      if (event !== null) this.#take(event);
    });
  }

  #isOver(): boolean {
    if (this.#detaching) return true;
    const isStarted = this.#request.target.kind === 'launch';
    const isIdle = this.#family.live.size === 0;
    if (isStarted) return this.#rootEnded && isIdle;
    return this.#scope.isFixed ? isIdle : this.#scope.isGone(isIdle);
  }

  #take(event: EbpfEvent): void {
    const family = this.#family;
    switch (event.kind) {
      case 'use':
        family.used(event);
        return;
      case 'fork': {
        const process = family.forked(event);
        if (this.#killing) this.#libc.kill(process.pid, SIGKILL);
        return;
      }
      case 'path':
        family.pathTold(event);
        return;
      case 'exec':
        this.#exec(event);
        return;
      case 'threadEnd':
        family.threadEnded(event);
        return;
      case 'processEnd':
        if (event.tgid === this.#root) this.#rootIsEnding();
        family.ended(event);
        return;
      case 'trigger':
        this.#trigger(event.watch, family.process(event.entry), family.since(event.time));
        return;
      case 'listen':
        family.listens(event);
        return;
      case 'output':
        this.#watches.onOutput(`${event.stream}`, event.bytes, family.since(event.time));
        return;
      case 'hiddenOutput':
        this.#readHidden(event);
        return;
      case 'adopt':
        family.adopted(event, (pid) => this.#scope.describe(pid));
        return;
      case 'signal':
        this.#terminalSignals.set(event.signal, family.since(event.time));
        return;
      case 'call':
      case 'value':
      case 'cgroup':
        return;
    }
  }

  #exec(event: Extract<EbpfEvent, { kind: 'exec' }>): void {
    if (event.launchAt === 0n || event.tgid !== this.#root) {
      const path = this.#family.pathOf(event.newEntry) ?? readExecutable(event.tgid);
      this.#symbols.executed(this.#family.executed(event, 'exec'), path, this.#attachment);
      return;
    }
    this.#startClock(event.launchAt);
    const process = this.#family.executed(event, 'start');
    this.#host.recorder.call(process, X86_64, SYS_execve, 0).launch = true;
    this.#result.command = process.argv ?? [];
    this.#host.send({ kind: 'started', pid: this.#root });
  }

  /** The program that was started is about to be a zombie: as its parent callgate learns how it ended. */
  #rootIsEnding(): void {
    const { target } = this.#request;
    if (this.#rootEnded || target.kind !== 'launch') return;
    this.#rootEnded = true;
    const exit = reapRoot(this.#waiter, this.#root, target, this.#host.recorder.processCount > 0);
    this.#result.exit = exit;
    this.#host.send({ kind: 'root-ended', exit });
  }

  #readHidden(event: Extract<EbpfEvent, { kind: 'hiddenOutput' }>): void {
    if (this.#watches.pending('output').length === 0) return;
    const { texts, isWhole } = readHiddenOutput(new TraceeMemory(this.#libc), event);
    if (!isWhole) this.#hiddenOutputs++;
    const at = this.#family.since(event.time);
    for (const text of texts) this.#watches.onOutput(`${event.stream}`, text, at);
  }

  #trigger(index: number, process: ProcessRecord | null, at: number): void {
    const watch = this.#numbered[index];
    if (watch !== undefined && process !== null) this.#watches.fireProcess(watch, process, at);
  }

  #fired(phase: number | null, pid: number | null, at: number): void {
    if (phase !== null && pid === null) {
      this.#attachment.setTreePhase(this.#watches.phase, this.#root);
      this.#family.enterTreePhase(phase, at);
    }
    this.#host.send(phase === null ? { kind: 'ready', at } : { kind: 'phase', phase, pid, at });
  }

  #obey(command: Exclude<TraceCommand, { kind: 'snapshot' }>): void {
    switch (command.kind) {
      case 'fire':
        this.#watches.fireTree(command.phase, this.#now());
        return;
      case 'signal':
        this.#signal(command.signal);
        return;
      case 'forward': {
        const seen = this.#terminalSignals.get(command.signal);
        if (seen === undefined || this.#now() - seen > SAME_SIGNAL) this.#signal(command.signal);
        return;
      }
      case 'kill':
        this.#killing = true;
        for (const pid of this.#pids()) this.#libc.kill(pid, SIGKILL);
        return;
      case 'detach':
        this.#detaching = true;
        return;
    }
  }

  /** Everything that lives, and the launcher before its exec. */
  #pids(): number[] {
    const pids = [...this.#family.live.keys()];
    return this.#root === 0 || this.#rootEnded || pids.includes(this.#root) ? pids : [...pids, this.#root];
  }

  /** To the program, or once that is gone to what it left behind. */
  #signal(signal: number): void {
    if (this.#root !== 0 && !this.#rootEnded) {
      // SAFETY: no memory is passed; the pid is our own child and not reaped yet.
      this.#libc.kill(this.#root, signal);
      return;
    }
    const { live } = this.#family;
    for (const process of live.values()) {
      let maker: ProcessRecord = process;
      while (maker.birth === 'exec' && maker.parent !== null) maker = maker.parent;
      if (maker.parent === null || !live.has(maker.parent.pid)) this.#libc.kill(process.pid, signal);
    }
  }

  /** Nothing has been told of for a while: what should have been told and was lost is found out otherwise. */
  #lookAround(): void {
    const losses = this.#attachment.losses();
    if (losses.events + losses.tasks + losses.runs === 0 || this.#drain() > 0) return;
    if (this.#root !== 0 && !this.#rootEnded && !this.#attachment.isLive(this.#root)) this.#rootIsEnding();
    this.#family.dropDead(this.#now(), (pid) => (pid === this.#root ? this.#result.exit : null));
  }

  #finish(): void {
    const { live } = this.#family;
    this.#result.detached = live.size > 0;
    // Letting go takes the kernel a while, in which nothing can happen any more.
    if (live.size === 0 && this.#scope.isFixed) this.#result.duration = this.#now();
    this.#attachment.detach();
    this.#drain();
    this.#family.finish(this.#now());
    const { events, calls, tasks, outputs, runs } = this.#attachment.losses();
    this.#result.lost = events + calls + tasks + runs;
    const limits = this.#limits;
    const missed: string[] = [];
    if (events > 0) missed.push(`${events} events were lost, for callgate did not read them in time`);
    if (calls > 0) {
      missed.push(
        `${calls} calls or their arguments were lost, for the map of calls was full (${limits.calls} distinct ones)`,
      );
    }
    if (tasks > 0) {
      missed.push(
        `${tasks} processes or threads were lost, for the map of tasks was full (${limits.tasks} at a time)`,
      );
    }
    if (runs > 0) missed.push(`${runs} calls were lost, for the kernel did not run the program`);
    const hidden = this.#hiddenOutputs + outputs;
    if (hidden > 0) {
      const what = hidden === 1 ? '1 write' : `${hidden} writes`;
      missed.push(
        `${what} could not be looked at for a trigger output:, for the memory of the process could not be read`,
      );
    }
    missed.push(...this.#symbols.missed);
    if (this.#scope.vanished !== null) missed.push(this.#scope.vanished);
    this.#result.missed = missed;
    this.#warnOfExecutables();
  }

  /** What was executed is told of in the kernel as far as there is room; the rest is read from the process if it is still there. */
  #warnOfExecutables(): void {
    const { unread, unnamed, argvCut } = this.#executables;
    for (const path of unread) {
      this.#warn(`${path} could not be read before it was gone: its build-id is not known`);
    }
    if (unnamed > 0) {
      const what = unnamed === 1 ? 'an exec' : `${unnamed} execs`;
      this.#warn(
        `the program of ${what} is not known: its path could not be told whole (${NAME_CAP} names and ${PATH_CAP} bytes at most), and the process was gone`,
      );
    }
    if (argvCut > 0) {
      const what = argvCut === 1 ? 'an exec' : `${argvCut} execs`;
      this.#warn(
        `the arguments of ${what} could not be told whole (${ARGV_CAP} bytes at most), and the process was gone`,
      );
    }
  }

  #warn(text: string): void {
    this.#host.send({ kind: 'warning', text });
  }
}

/** Triggers that the programs number: those on system calls, then those on functions. @throws UsageError */
function numberedWatches({ phases, ready }: TraceRequest): Watch[] {
  const watches = watchesOf(phases, ready);
  const numbered = (['syscall', 'symbol'] as const).flatMap((kind) =>
    watches.filter(({ trigger }) => trigger.kind === kind),
  );
  if (numbered.length > TRIGGER_CAP) {
    throw new UsageError(
      `phase: ${numbered.length} triggers on system calls and functions were given (${TRIGGER_CAP} at most by eBPF)`,
    );
  }
  return numbered;
}

function toCallTrigger({ phase, trigger }: Watch): CallTrigger {
  const [name, n] = trigger.kind === 'syscall' ? [trigger.name, trigger.n] : ['', 1];
  return {
    armed: phase === null ? null : phase - 1,
    phase,
    n,
    numbers: ARCHES.slice(0, ARCH_COUNT).map((arch) => syscallNumber(arch, name)),
  };
}
