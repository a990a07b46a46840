import { ARCHES, AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import { errnoText } from '../../abi/errno.ts';
import { findProgram, type ProgramKey } from '../../policy/policy-sets.ts';
import { REG } from '../../sys/ptrace.ts';
import type { Enforcement, PhaseFilter, Violation } from '../backend.ts';
import type { Programs } from '../programs.ts';
import type { ProcessRecord } from '../recorder.ts';
import { archIndex } from './call-kinds.ts';
import type { Context } from './context.ts';
import { injectFilter, type Injection } from './inject.ts';
import type { Task } from './task.ts';

/** Number of execve on x86-64, from whose code every program is started. */
const EXECVE = 59;

const SIGKILL = 9;
const SIGSYS = 31;

/** What is to become of a task before it is resumed. */
export type Verdict = 'resume' | 'release';

/**
 * Brings processes under the filter of the phase that they have entered, and of the program that they have executed.
 *
 * A process whose last filter is in place is released: the kernel goes on alone, at full speed. Not so in an audit.
 */
export class Enforcer {
  readonly #context: Context;
  readonly #enforcement: Enforcement;
  readonly #files: Programs;
  readonly #lastPhase: number;
  /** Programs with sets of their own, in whatever phase. */
  readonly #named: readonly ProgramKey[];
  /** The filters that a process has, its inherited ones included: none is ever lost, and each need be there only once. */
  readonly #chains: WeakMap<ProcessRecord, readonly PhaseFilter[]> = new WeakMap();
  /** What every process has from the start. */
  readonly #first: readonly PhaseFilter[];
  /** By filter: the same for those that do the same. */
  readonly #effects: ReadonlyMap<PhaseFilter, string>;
  /** The filter that a process could not be given, and goes on without. */
  readonly #refused: WeakMap<ProcessRecord, PhaseFilter> = new WeakMap();
  readonly #programs: WeakMap<ProcessRecord, ProgramKey | null> = new WeakMap();
  /** The filter that a process should have in a phase. */
  readonly #wants: WeakMap<ProcessRecord, { readonly phase: number; readonly filter: PhaseFilter }> =
    new WeakMap();
  readonly #released: WeakSet<ProcessRecord> = new WeakSet();
  /**
   * Threads that ran while another one brought the filter to all, with what they had before: a child that one of
   * them was making may have been made before that.
   */
  readonly #unseen: Map<Task, readonly PhaseFilter[]> = new Map();

  constructor(context: Context, enforcement: Enforcement, files: Programs) {
    this.#context = context;
    this.#enforcement = enforcement;
    this.#files = files;
    this.#named = enforcement.filters.flatMap(({ program }) => program ?? []);
    const { filters } = enforcement;
    this.#first = filters.filter(({ phase, program }) => phase === 0 && program === null);
    this.#effects = new Map(filters.map((one) => [one, Buffer.from(one.filter).toString('latin1')]));
    this.#lastPhase = Math.max(...filters.map(({ phase }) => phase));
  }

  /**
   * A process has begun a program: one that may be executed and not be read cannot be told by an unprivileged callgate, and then it is not
   * known whether it has a set of its own. A build that the policy does not know has none.
   */
  began(process: ProcessRecord): void {
    const { audit, ifStuck } = this.#enforcement;
    const { host, libc, ptrace } = this.#context;
    const { pid, phase } = process;
    if (this.#named.length === 0) return;
    const program = this.#programOf(process);
    if (program !== null) {
      this.#warnOfBuild(program);
      return;
    }
    // Otherwise it has been killed meanwhile.
    if (!ptrace.getRegisters(pid)) return;
    const problem = 'which program it is cannot be told (it may be executed and not be read)';
    if (audit) {
      host.send({
        kind: 'warning',
        text: `pid ${pid} is held against the set of the tree alone, ${problem}`,
      });
      return;
    }
    host.send({ kind: 'filtered', pid, phase, program: null, problem, at: host.now() });
    // SAFETY: no memory is passed; the pid is that of a tracee, which has not been waited for.
    if (ifStuck === 'kill') libc.kill(pid, SIGKILL);
  }

  #warnOfBuild(program: ProgramKey): void {
    const { path } = program;
    if (!this.#named.some((named) => named.path === path) || findProgram(this.#named, program) !== undefined)
      return;
    this.#context.host.send({
      kind: 'warning',
      text: `${path} is another build than the one that was traced, so it is held to the set of the tree alone (trace it again)`,
    });
  }

  /** Whether the process is being let go of. */
  isReleased(process: ProcessRecord): boolean {
    return this.#released.has(process);
  }

  /** Whether the process waits for a filter that can be installed as soon as one of its threads stops at a call. */
  isDue(process: ProcessRecord): boolean {
    return !this.#released.has(process) && this.#due(process) !== null;
  }

  /**
   * Looks whether the process of a stopped task is due for a filter, and installs it.
   *
   * Not at the stop of an exec: the caller has the task run to its next call then.
   */
  settle(task: Task): Verdict {
    const { process } = task;
    if (this.#released.has(process)) return 'release';
    const due = this.#due(process);
    if (due !== null && !this.#install(task, due)) return 'resume';
    // No further transition of this process is waited for.
    if (process.phase >= this.#lastPhase) task.syscallStops = false;
    if (this.#enforcement.audit || !this.#isFinal(process)) return 'resume';
    this.#released.add(process);
    return 'release';
  }

  /** A task has stopped, and not because of a birth: what it makes from here on has the filter of its process. */
  seen(task: Task): void {
    if (this.#unseen.size > 0) this.#unseen.delete(task);
  }

  /** A process begins with the filters that its parent had as it was made. */
  inherit(child: ProcessRecord, parent: Task): void {
    this.#chains.set(child, this.#unseen.get(parent) ?? this.#chainOf(parent.process));
    this.#unseen.delete(parent);
    const refused = this.#refused.get(parent.process);
    if (refused !== undefined) this.#refused.set(child, refused);
    // It may not tell any more: nobody but root is told by a process that is not dumpable.
    this.#programs.set(child, this.#programOf(parent.process));
  }

  /** A program that a process executes is under the filters that were there before. */
  inheritOverExec(process: ProcessRecord, before: ProcessRecord): void {
    this.#chains.set(process, this.#chainOf(before));
    this.began(process);
  }

  /** The call at whose seccomp stop a task is: outside of what its filter allows, in an audit. */
  audit(task: Task, at: number): void {
    const { ptrace } = this.#context;
    if (!ptrace.fetchSyscallInfo(task.tid)) return;
    const arch = archIndex(ptrace.auditArch, ptrace.nr);
    if (arch === -1) return;
    const args = [0, 1, 2, 3, 4, 5].map((index) => ptrace.argument(index));
    const { nr } = ptrace;
    this.#report(task, { arch: ARCHES[arch] as Arch, nr, args, at, outcome: 'allowed' });
  }

  /** The execve that started the program is outside of the policy: what made it is gone, so that there is no backtrace. */
  auditLaunch(task: Task, args: readonly bigint[]): void {
    this.#report(task, { arch: 'x86_64', nr: EXECVE, args, at: 0, outcome: 'allowed', backtrace: [] });
  }

  /** A task is about to end, with this wait status: if the filter kills it, its registers still show the call. */
  ending(task: Task, status: number, at: number): void {
    if ((status & 0x7f) !== SIGSYS) return;
    const { ptrace } = this.#context;
    if (!ptrace.getRegisters(task.tid) || !ptrace.fetchSyscallInfo(task.tid)) return;
    const { registers } = ptrace;
    const nr = Number(BigInt.asIntN(32, registers[REG.orig_rax] as bigint));
    // All threads of the process die of the same signal. Where a filter has denied a call, the kernel has rolled it back.
    if (nr < 0 || registers[REG.rax] !== registers[REG.orig_rax]) return;
    // By the kernel's word, not by the code segment: 64-bit code can make calls of i386 too.
    const wide = ptrace.auditArch !== AUDIT_ARCH.i386;
    const order = wide ? [REG.rdi, REG.rsi, REG.rdx, REG.r10, 9, 8] : [5, 11, REG.rdx, REG.rsi, REG.rdi, 4];
    const arch = wide ? ((nr & X32_SYSCALL_BIT) === 0 ? 'x86_64' : 'x32') : 'i386';
    const args = order.map((index) => BigInt.asUintN(wide ? 64 : 32, registers[index] as bigint));
    this.#report(task, { arch, nr, args, at, outcome: 'killed' });
  }

  /** `nr` as the kernel has it, for x32 with its bit. */
  #report(
    task: Task,
    {
      backtrace,
      ...call
    }: Pick<Violation, 'arch' | 'nr' | 'args' | 'at' | 'outcome'> & Partial<Pick<Violation, 'backtrace'>>,
  ): void {
    const { host, tracebacks } = this.#context;
    const { process, tid } = task;
    const { arch, nr } = call;
    host.send({
      kind: 'violation',
      violation: {
        pid: process.pid,
        tid,
        program: this.#programOf(process)?.path ?? null,
        sets: this.#setsOf(process),
        phase: process.phase,
        ...call,
        nr: arch === 'x32' ? nr & ~X32_SYSCALL_BIT : nr,
        backtrace: backtrace ?? tracebacks.of(task),
      },
    });
  }

  /** The filter that the process should have and has not, or null. */
  #due(process: ProcessRecord): PhaseFilter | null {
    const wanted = this.#wanted(process);
    const chain = this.#chainOf(process);
    if (chain.includes(wanted) || this.#refused.get(process) === wanted) return null;
    const effect = this.#effects.get(wanted);
    if (!chain.some((one) => this.#effects.get(one) === effect)) return wanted;
    // A set of its own that is no narrower than what holds it already does hold it.
    this.#chains.set(process, [...chain, wanted]);
    return null;
  }

  #wanted(process: ProcessRecord): PhaseFilter {
    const { phase } = process;
    const known = this.#wants.get(process);
    if (known?.phase === phase) return known.filter;
    const filter = this.#choose(phase, this.#programOf(process));
    this.#wants.set(process, { phase, filter });
    return filter;
  }

  /** That of the program in this phase, or else that of the tree, which every phase has. */
  #choose(phase: number, program: ProgramKey | null): PhaseFilter {
    const filters = this.#enforcement.filters.filter((one) => one.phase === phase);
    const own = filters.flatMap((filter) => (filter.program === null ? [] : [{ ...filter.program, filter }]));
    const found = program === null ? undefined : findProgram(own, program);
    return found?.filter ?? (filters.find((one) => one.program === null) as PhaseFilter);
  }

  /** Whether no tighter filter can come for this process: it is in the last phase, and no exec is to be watched for. */
  #isFinal(process: ProcessRecord): boolean {
    if (process.phase < this.#lastPhase) return false;
    if (this.#lastPhase === 0) return false;
    return this.#named.length === 0;
  }

  #install(task: Task, due: PhaseFilter): boolean {
    const { host, recorder } = this.#context;
    const { process } = task;
    const began = host.now();
    const injection = injectFilter(this.#context, task, due.filter, { noNewPrivs: false });
    // An exec by another thread may have ended it: the program then still has to get the filter.
    if (injection.kind === 'gone' || injection.kind === 'later') return false;
    for (const other of this.#context.tasks.values()) {
      if (other.process !== process || other === task || this.#unseen.has(other)) continue;
      this.#unseen.set(other, this.#chainOf(process));
    }
    const problem = explain(injection);
    if (problem === null) this.#chains.set(process, [...this.#chainOf(process), due]);
    else this.#refused.set(process, due);
    const { phase, program } = due;
    host.send({ kind: 'filtered', pid: process.pid, phase, program, problem, at: began });
    if (problem === null || this.#enforcement.ifStuck === 'keep') return true;
    this.#context.libc.kill(process.pid, SIGKILL);
    recorder.enterPhase(process, phase, began);
    return false;
  }

  /** Programs whose sets hold a process, each once however many phases it has been in. */
  #setsOf(process: ProcessRecord): readonly ProgramKey[] {
    const programs = this.#chainOf(process).flatMap(({ program }) => program ?? []);
    return programs.filter(({ path, buildId }, index) => {
      const first = programs.findIndex((other) => other.path === path && other.buildId === buildId);
      return first === index;
    });
  }

  #chainOf(process: ProcessRecord): readonly PhaseFilter[] {
    return this.#chains.get(process) ?? this.#first;
  }

  #programOf(process: ProcessRecord): ProgramKey | null {
    let program = this.#programs.get(process);
    if (program === undefined) {
      program = this.#files.identify(process.pid);
      this.#programs.set(process, program);
    }
    return program;
  }
}

function explain(injection: Exclude<Injection, { kind: 'gone' | 'later' }>): string | null {
  switch (injection.kind) {
    case 'filtered':
      return null;
    case 'diverged':
      return `thread ${injection.tid} has a filter of its own, so the tighter one cannot be extended to all threads`;
    case 'refused':
      if (injection.step === 'search') return 'it has no instruction that enters the kernel';
      return `${injection.step} was refused, ${errnoText(injection.errno)}`;
  }
}
