import type { Birth, ExitStatus } from '../profile/model.ts';
import type { StraceResult } from './strace-line.ts';
import type { LabelledEntry } from './strace-labels.ts';

/** How often a call was made, as far as the lines tell. */
export interface StraceUses {
  readonly name: string;
  /** With `strace -n`. */
  readonly nr: number | null;
  count: number;
  first: number | null;
  last: number | null;
  readonly errnos: Map<string, number>;
}

/** A process between birth or exec and exit or the next exec. */
export interface StraceProcess {
  readonly pid: number;
  readonly birth: Birth;
  readonly parent: StraceProcess | null;
  /** As execve was given it; null before the first one that is seen. */
  readonly path: string | null;
  readonly argv: readonly string[] | null;
  mode: '32 bit' | '64 bit' | 'x32' | null;
  readonly start: number | null;
  end: number | null;
  exit: ExitStatus | null;
  readonly threads: Map<
    number,
    { readonly creator: number; readonly start: number | null; end: number | null }
  >;
  readonly uses: Map<string, StraceUses>;
  /** The execve by which it was started, if it is the first of its lines; it is not among `uses`. */
  launch: { readonly time: number | null } | null;
}

/** Pids of those that one clone began. */
interface Origin {
  readonly creator: number;
  readonly isThread: boolean;
  readonly birth: Birth;
}

const BEGINNERS: Readonly<Record<string, Birth>> = {
  fork: 'fork',
  vfork: 'vfork',
  clone: 'clone',
  clone3: 'clone',
};

/** Puts the lines of a log together: who was begun by whom, and what each did. */
export function buildStraceTree(entries: readonly LabelledEntry[]): readonly StraceProcess[] {
  const origins = findOrigins(entries);
  const tree = new Tree(origins);
  for (const entry of entries) tree.add(entry);
  return tree.processes;
}

class Tree {
  readonly processes: StraceProcess[] = [];
  readonly #origins: ReadonlyMap<number, Origin>;
  /** The process that a pid or tid is part of now. */
  readonly #current = new Map<number, StraceProcess>();
  /** Arguments of what a task has not finished. */
  readonly #pending = new Map<number, { readonly name: string; readonly args: string }>();

  constructor(origins: ReadonlyMap<number, Origin>) {
    this.#origins = origins;
  }

  add({ pid: tid, time, line }: LabelledEntry): void {
    switch (line.kind) {
      case 'attached':
        this.#find(line.pid, time);
        return;
      case 'mode':
        this.#find(line.pid, time).mode = line.mode;
        return;
      case 'signal':
      case 'frame':
        return;
      case 'exited':
        this.#end(tid, time, { kind: 'exited', code: line.code });
        return;
      case 'killed':
        this.#end(tid, time, { kind: 'signaled', signal: line.signal, core: line.core });
        return;
      case 'call': {
        const process = this.#find(tid, time);
        const isFirst = process.uses.size === 0 && process.birth === 'start';
        if (isFirst && process.launch === null && line.name === 'execve' && line.result?.value === 0n) {
          process.launch = { time };
          Object.assign(process, parseExec(line.args));
          return;
        }
        this.#use(process, line.name, line.nr, time);
        if (line.result === null) {
          this.#pending.set(tid, { name: line.name, args: line.args });
        } else {
          this.#finish(tid, time, line.name, line.nr, line.args, line.result);
        }
        return;
      }
      case 'resumed': {
        const pending = this.#pending.get(tid);
        this.#pending.delete(tid);
        const process = this.#find(tid, time);
        // Its beginning was before the log's.
        if (pending === undefined) this.#use(process, line.name, null, time);
        if (line.result !== null) this.#finish(tid, time, line.name, null, pending?.args ?? '', line.result);
      }
    }
  }

  #finish(
    tid: number,
    time: number | null,
    name: string,
    nr: number | null,
    args: string,
    { value, errno }: StraceResult,
  ): void {
    const process = this.#find(tid, time);
    if (errno !== null) {
      const uses =
        process.uses.get(keyOf(name, nr)) ?? [...process.uses.values()].find((each) => each.name === name);
      uses?.errnos.set(errno, (uses.errnos.get(errno) ?? 0) + 1);
    } else if ((name === 'execve' || name === 'execveat') && value === 0n) {
      process.end = time;
      process.exit = { kind: 'exec' };
      // strace says so only when it changes.
      this.#begin(process.pid, 'exec', process, time, parseExec(args)).mode = process.mode;
    }
  }

  #use(process: StraceProcess, name: string, nr: number | null, time: number | null): void {
    const key = keyOf(name, nr);
    const uses = process.uses.get(key) ?? {
      name,
      nr,
      count: 0,
      first: time,
      last: time,
      errnos: new Map<string, number>(),
    };
    uses.count++;
    uses.last = time;
    process.uses.set(key, uses);
  }

  #end(tid: number, time: number | null, exit: ExitStatus): void {
    const process = this.#find(tid, time);
    const thread = process.threads.get(tid);
    if (thread !== undefined) {
      thread.end = time;
    } else {
      process.end = time;
      process.exit = exit;
      this.#current.delete(tid);
    }
  }

  #find(tid: number, time: number | null): StraceProcess {
    const known = this.#current.get(tid);
    if (known !== undefined) return known;
    const origin = this.#origins.get(tid);
    if (origin === undefined) return this.#begin(tid, 'start', null, time, { path: null, argv: null });
    const parent = this.#find(origin.creator, time);
    if (origin.isThread) {
      parent.threads.set(tid, { creator: origin.creator, start: time, end: null });
      this.#current.set(tid, parent);
      return parent;
    }
    const child = this.#begin(tid, origin.birth, parent, time, { path: parent.path, argv: null });
    child.mode = parent.mode;
    return child;
  }

  #begin(
    pid: number,
    birth: Birth,
    parent: StraceProcess | null,
    time: number | null,
    image: Pick<StraceProcess, 'path' | 'argv'>,
  ): StraceProcess {
    const process: StraceProcess = {
      pid,
      birth,
      parent,
      ...image,
      mode: null,
      start: time,
      end: null,
      exit: null,
      threads: new Map(),
      uses: new Map(),
      launch: null,
    };
    this.processes.push(process);
    this.#current.set(pid, process);
    return process;
  }
}

/** Results of clone and the like come after the first lines of those that they begin, so all are looked at before. */
function findOrigins(entries: readonly LabelledEntry[]): ReadonlyMap<number, Origin> {
  const origins = new Map<number, Origin>();
  const pending = new Map<number, string>();
  for (const { pid, line } of entries) {
    if (line.kind !== 'call' && line.kind !== 'resumed') continue;
    const birth = BEGINNERS[line.name];
    if (birth === undefined) continue;
    const creator = pid;
    const args = line.kind === 'call' ? line.args : (pending.get(creator) ?? '');
    if (line.kind === 'call' && line.result === null) pending.set(creator, args);
    const child = Number(line.result?.value ?? -1n);
    if (child > 0 && child !== creator)
      origins.set(child, { creator, birth, isThread: args.includes('CLONE_THREAD') });
  }
  return origins;
}

function keyOf(name: string, nr: number | null): string {
  return nr === null ? name : `${name} ${nr}`;
}

/** Path and argv of `"/bin/ls", ["ls", "-l"], 0x... /* 35 vars *\/) = 0`. */
function parseExec(args: string): Pick<StraceProcess, 'path' | 'argv'> {
  const match =
    /^(?:[^"]*?)"((?:[^"\\]|\\.)*)"(?:\.\.\.)?, \[((?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?(?:, )?|\.\.\.)*)\]/.exec(
      args,
    );
  if (match === null) return { path: null, argv: null };
  const words = [...match[2]!.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => unescape(word));
  return { path: unescape(match[1]!), argv: words };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' };

/** What C calls a string; bytes above 127 stay escaped, as they may be part of a character that is cut off. */
function unescape(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|[0-7]{1,3}|.)/gi, (whole, code: string) => {
    if (/^[0-7]/.test(code) || /^x[0-9a-f]{2}$/i.test(code)) {
      const byte = code.startsWith('x') ? Number.parseInt(code.slice(1), 16) : Number.parseInt(code, 8);
      return byte < 128 ? String.fromCharCode(byte) : whole;
    }
    return ESCAPES[code] ?? code;
  });
}
