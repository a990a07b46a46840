import { basename } from 'node:path';
import { triggersOf, type Trigger } from '../trigger.ts';
import { readMappings, type Mapping } from '../proc.ts';
import type { ProcessRecord } from '../recorder.ts';
import type { Breakpoints } from './breakpoints.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

/** So many objects of a program are listed in a notice. */
const LISTED_OBJECTS = 12;

/**
 * Says early which phases wait for an object that the program has not. A library or program of that name may still come; but if the name is
 * misspelt, the phase would never begin, and nobody would know before the end.
 */
export class MissingObjects {
  readonly #context: Context;
  readonly #breakpoints: Breakpoints;
  /** What waits for something in an object that is named: by what it is called in messages, all its triggers. */
  readonly #waiting: readonly (readonly [who: string, triggers: readonly Trigger[]])[];
  /** The process whose libraries are being mapped, and where the code is that does it. */
  #loading: { readonly process: ProcessRecord; readonly loader: readonly Mapping[] } | null = null;

  constructor(context: Context, breakpoints: Breakpoints) {
    this.#context = context;
    this.#breakpoints = breakpoints;
    const { phases, ready } = context.request;
    const all: (readonly [string, readonly Trigger[]])[] = phases.map((phase) => [
      `phase ${phase.name}`,
      triggersOf(phase),
    ]);
    if (ready !== null) all.push(['--ready', [ready]]);
    // Any other trigger may begin it all the same.
    this.#waiting = all.filter(([, triggers]) =>
      triggers.every((trigger) => trigger.kind === 'symbol' && trigger.object !== null),
    );
  }

  /** Whether calls of this task are to be shown to `called`. */
  isLoading({ process }: Task): boolean {
    return this.#loading?.process === process;
  }

  /** The program stands before its first instruction: besides it, only its loader is in memory. */
  began({ process }: Task): void {
    if (this.#waiting.length === 0) return;
    const { executable } = this.#breakpoints.filesOf(process);
    const loader = readMappings(process.pid).filter(({ path }) => path !== executable);
    this.#loading = { process, loader };
  }

  /** A task enters a call: once that is the program's own, what it needs is in memory. The kernel's syscall info has been fetched. */
  called({ process }: Task): void {
    const { instructionPointer } = this.#context.ptrace;
    const isLoader = this.#loading?.loader.some(
      ({ start, end }) => start <= instructionPointer && instructionPointer < end,
    );
    if (isLoader === true) return;
    this.#loading = null;
    this.tell([process]);
  }

  /** Tells of everything that waits for an object which none of these processes has in memory. */
  tell(processes: readonly ProcessRecord[]): void {
    if (this.#waiting.length === 0) return;
    const files = processes.flatMap((process) => this.#breakpoints.filesOf(process).files);
    if (files.length === 0) return;
    for (const [who, triggers] of this.#waiting) {
      const isThere = triggers.some(
        (trigger) =>
          trigger.kind === 'symbol' &&
          files.some((file) => this.#breakpoints.names.has(file, trigger.object ?? '')),
      );
      if (isThere) continue;
      const names = [...new Set(files.map(({ path }) => basename(path)))];
      const list = [...names.slice(0, LISTED_OBJECTS), ...(names.length > LISTED_OBJECTS ? ['...'] : [])];
      const text = `${who} waits for ${triggers.map(({ text: each }) => each).join(' | ')}, and the program has no object of that name yet (it has ${list.join(', ')})`;
      this.#context.host.send({ kind: 'notice', text });
    }
  }
}
