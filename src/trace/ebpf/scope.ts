import { closeSync, openSync, readdirSync, statSync } from 'node:fs';
import { SystemCallError, UnsupportedError, UsageError } from '../../base/errors.ts';
import type { Libc } from '../../sys/libc.ts';
import type { TraceRequest } from '../backend.ts';
import { HeldMountNamespace } from '../mount-namespace.ts';
import { hasEnded, isOfGoneTask, listThreads } from '../proc.ts';
import { Programs } from '../programs.ts';
import { denialsUnseen, isFiltered } from '../seccomp-filters.ts';
import type { Recorder } from '../recorder.ts';
import { number, type Attachment } from './attachment.ts';
import type { Family } from './family.ts';
import { TASK_UNSEEN } from './layout.ts';
import type { Adoption } from './program.ts';
import { isOutOfFiles } from './refusal.ts';
import { streamsOf, type StreamFile } from './streams.ts';

/** What runs already when a trace begins, and which tasks are found later on. */
export class Scope implements Disposable {
  readonly #target: TraceRequest['target'];
  readonly #recorder: Recorder;
  readonly #programs: Programs;
  readonly #warn: (text: string) => void;
  #warned = false;
  #namespace: HeldMountNamespace | null = null;
  /** Id of the cgroup to adopt from, which is the inode number of its directory; 0 if it is none. */
  #cgroup = 0n;
  /** Why the trace ended before it was asked to, or null. */
  vanished: string | null = null;

  constructor(target: TraceRequest['target'], recorder: Recorder, libc: Libc, warn: (text: string) => void) {
    this.#target = target;
    this.#recorder = recorder;
    this.#warn = warn;
    this.#programs = new Programs(recorder, libc);
  }

  get adoption(): Adoption {
    return this.#target.kind === 'scope' ? this.#target.scope.kind : 'none';
  }

  /** Finds what a scope is by now, and holds it until dispose. @throws UsageError if it is there no more */
  open(): void {
    if (this.#target.kind !== 'scope') return;
    const { scope, text } = this.#target;
    if (scope.kind === 'cgroup') this.#cgroup = cgroupId(scope.path) ?? 0n;
    if (scope.kind !== 'mount-namespace') return;
    try {
      this.#namespace = new HeldMountNamespace(scope.pid);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new UsageError(`trace: cannot look at process ${scope.pid} of ${text}, ${reason}`, {
        cause: error,
      });
    }
    if (this.#namespace.number !== scope.number) {
      throw new UsageError(`trace: process ${scope.pid} of ${text} has ended (give one that runs)`);
    }
  }

  get cgroup(): bigint {
    return this.#cgroup;
  }

  /** Number of the mount namespace to adopt from; 0 if it is none. */
  get mountNamespace(): number {
    return this.#namespace?.number ?? 0;
  }

  /** Whether the trace ends when all processes that it knows have ended: nothing else can come. */
  get isFixed(): boolean {
    return this.#target.kind !== 'scope';
  }

  /** Fills maps before the programs run. @throws UsageError, UnsupportedError */
  prepare(attachment: Attachment): void {
    if (this.#target.kind !== 'scope' || this.#target.scope.kind !== 'cgroup') return;
    const { path } = this.#target.scope;
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (error) {
      throw new UsageError(`trace: cannot open cgroup ${path}, ${(error as NodeJS.ErrnoException).code}`, {
        cause: error,
      });
    }
    try {
      attachment.put('cgroups', number(0), number(fd));
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      throw new UnsupportedError(
        `trace: ${path} is no directory of the cgroup v2 hierarchy, by which alone tasks can be told apart (--container ID or --pid PID)`,
        { feature: 'cgroup v2', cause: error },
      );
    } finally {
      closeSync(fd);
    }
  }

  /** Tells the programs of the processes to attach to. @throws UsageError if one is gone */
  begin(attachment: Attachment, family: Family, now: () => number): void {
    if (this.#target.kind !== 'attach') return;
    // All or none: one that is not there is found out before anything of the others has been recorded.
    for (const pid of this.#target.pids) checkProcess(pid);
    for (const [index, pid] of this.#target.pids.entries()) {
      const at = now();
      const { program, argv } = this.describe(pid);
      if (program === null)
        this.#warn(`pid ${pid}: its program could not be read, so the profile names none`);
      const process = this.#recorder.startProcess({
        pid,
        birth: 'attach',
        parent: null,
        program,
        argv,
        at,
        phase: 0,
      });
      family.add(index + 1, process);
      const known = new Set<number>();
      // A thread that is not known yet may start another; those of known ones are followed by the programs.
      for (let fresh = listThreads(pid); fresh.length > 0;) {
        for (const tid of fresh) known.add(tid);
        const live = fresh.filter((tid) => !hasEnded(tid));
        attachment.follow(pid, live, index + 1, TASK_UNSEEN);
        for (const tid of live) if (tid !== pid) this.#recorder.startThread(process, tid, null, at);
        fresh = listThreads(pid).filter((tid) => !known.has(tid) && !process.threads.has(tid));
      }
      if (known.size === 0) throw new UsageError(`trace: there is no process ${pid}`);
    }
  }

  /** Program and arguments of a process that runs. */
  describe(pid: number): { program: number | null; argv: readonly string[] } {
    if (!this.#warned && isFiltered(pid)) {
      this.#warned = true;
      this.#warn(denialsUnseen(`pid ${pid} is under`));
    }
    // Of a thread that has ended /proc tells no program: the first one may have, and others go on.
    const first = this.#programs.of(pid);
    if (first.program !== null) return first;
    for (const tid of listThreads(pid)) {
      const found = this.#programs.of(tid);
      if (found.program !== null) return found;
    }
    return first;
  }

  /** The files behind stdout and stderr of the program: a program that is started has those of callgate itself. */
  streams(): StreamFile[] {
    return streamsOf(this.#target.kind === 'attach' ? this.#target.pids : ['self']);
  }

  /** Whether what is traced cannot come back. `isIdle`: no process of it is known to live. */
  isGone(isIdle: boolean): boolean {
    if (this.#target.kind !== 'scope') return false;
    const { scope, text } = this.#target;
    if (scope.kind === 'cgroup') this.vanished = describeRemoval(scope.path, this.#cgroup);
    // A process that sits in a call may not be known yet.
    else if (isIdle && this.#namespace?.isEmpty() === true)
      this.vanished = `${text} ended while it was traced`;
    return this.vanished !== null;
  }

  [Symbol.dispose](): void {
    this.#namespace?.[Symbol.dispose]();
    this.#namespace = null;
  }
}

/** Null if a cgroup is still that which had this id. */
function describeRemoval(path: string, id: bigint): string | null {
  const current = cgroupId(path);
  if (current === id) return null;
  if (current === null) return `cgroup ${path} was removed while it was traced`;
  return `cgroup ${path} was removed and made again while it was traced: what ran in the new one was not seen`;
}

function cgroupId(path: string): bigint | null {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch {
    return null;
  }
}

function checkProcess(pid: number): void {
  let threads: number[];
  try {
    threads = readdirSync(`/proc/${pid}/task`).map(Number);
  } catch (error) {
    const { code, errno = 0 } = error as NodeJS.ErrnoException;
    if (isOfGoneTask(error)) throw new UsageError(`trace: there is no process ${pid}`, { cause: error });
    const failure = new SystemCallError(`trace: cannot look at process ${pid}`, {
      request: 'open',
      errno: -errno,
    });
    // Of whether it is there that says nothing, and all else nothing of eBPF.
    if (isOutOfFiles(failure)) throw failure;
    throw new UsageError(`trace: cannot look at process ${pid}, ${code}`, { cause: error });
  }
  if (threads.every(hasEnded)) {
    throw new UsageError(`trace: process ${pid} has ended and waits for its parent (a zombie)`);
  }
}
