import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs';
import { SystemCallError, UnsupportedError, UsageError } from '../../base/errors.ts';
import type { Libc } from '../../sys/libc.ts';
import type { TraceRequest } from '../backend.ts';
import { hasEnded, listThreads } from '../proc.ts';
import { Programs } from '../programs.ts';
import { denialsUnseen, isFiltered } from '../seccomp-filters.ts';
import type { Recorder } from '../recorder.ts';
import { number, type Attachment } from './attachment.ts';
import type { Family } from './family.ts';
import { TASK_UNSEEN } from './layout.ts';
import type { Adoption } from './program.ts';

/** What runs already when a trace begins, and which tasks are found later on. */
export class Scope {
  readonly #target: TraceRequest['target'];
  readonly #recorder: Recorder;
  readonly #programs: Programs;
  readonly #warn: (text: string) => void;
  #warned = false;
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

  /** Id of the cgroup to adopt from, which is the inode number of its directory; 0 if it is none. */
  get cgroup(): bigint {
    const { scope } = this.#target.kind === 'scope' ? this.#target : { scope: null };
    if (scope?.kind !== 'cgroup') return 0n;
    return statSync(scope.path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
  }

  get mountNamespace(): number {
    const { kind } = this.#target;
    return kind === 'scope' && this.#target.scope.kind === 'mount-namespace' ? this.#target.scope.number : 0;
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
      // Of a thread that has ended /proc tells no program: the first one may have, and others go on.
      const { program, argv } = this.describe(listThreads(pid).find((tid) => !hasEnded(tid)) ?? pid);
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
    return this.#programs.of(pid);
  }

  /** Inodes of stdout and stderr of the program: a program that is started has those of callgate itself. */
  streams(): bigint[] {
    const owners = this.#target.kind === 'attach' ? this.#target.pids : ['self'];
    return [
      ...new Set(owners.flatMap((owner) => [1, 2].flatMap((fd) => inodeOf(`/proc/${owner}/fd/${fd}`)))),
    ];
  }

  /** Whether what is traced cannot come back. */
  isGone(): boolean {
    if (this.#target.kind !== 'scope' || this.#target.scope.kind !== 'cgroup') return false;
    const { path } = this.#target.scope;
    if (existsSync(path)) return false;
    this.vanished = `cgroup ${path} was removed while it was traced`;
    return true;
  }
}

function inodeOf(path: string): bigint[] {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? [] : [stat.ino];
}

function checkProcess(pid: number): void {
  let threads: number[];
  try {
    threads = readdirSync(`/proc/${pid}/task`).map(Number);
  } catch (error) {
    const { code, errno = 0 } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') {
      throw new UsageError(`trace: there is no process ${pid}`, { cause: error });
    }
    // As with a limit of open files: of whether it is there that says nothing.
    throw new SystemCallError(`trace: cannot look at process ${pid}`, { request: 'open', errno: -errno });
  }
  if (threads.every(hasEnded)) {
    throw new UsageError(`trace: process ${pid} has ended and waits for its parent (a zombie)`);
  }
}
