import { basename } from 'node:path';
import type { MappedFile } from '../object-names.ts';
import { triggersOf, type Trigger } from '../trigger.ts';
import { readMappings, type Mapping } from '../proc.ts';
import type { ProcessRecord } from '../recorder.ts';
import type { Breakpoints, CodeOfProcess, SymbolTrigger } from './breakpoints.ts';
import type { Context } from './context.ts';
import type { Task } from './task.ts';

/** So many objects of a program are listed in a notice. */
const LISTED_OBJECTS = 12;

/**
 * Says early which phases wait for an object that the program has not, or for a function that is not in it. Either may still come with a
 * library or program that is loaded later; but if the name is misspelt, or the program has been stripped or renewed, the phase would never
 * begin, and nobody would know before the end.
 */
export class MissingSymbols {
  readonly #context: Context;
  readonly #breakpoints: Breakpoints;
  /** What waits for nothing but functions: by what it is called in messages, all its triggers. */
  readonly #waiting: readonly (readonly [who: string, triggers: readonly SymbolTrigger[]])[];
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
    this.#waiting = all.flatMap(([who, triggers]) => {
      const symbols = triggers.filter((trigger) => trigger.kind === 'symbol');
      // Any other trigger may begin it all the same.
      return symbols.length === triggers.length ? [[who, symbols] as const] : [];
    });
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

  /** Tells of everything that waits for what none of these processes has in memory. */
  tell(processes: readonly ProcessRecord[]): void {
    if (this.#waiting.length === 0) return;
    const codes = processes.map((process) => this.#breakpoints.filesOf(process));
    if (codes.every(({ files }) => files.length === 0)) return;
    for (const [who, triggers] of this.#waiting) {
      const lack = this.#lackOf(triggers, codes);
      if (lack === null) continue;
      const text = `${who} waits for ${triggers.map(({ text: each }) => each).join(' | ')}, and ${lack}`;
      this.#context.host.send({ kind: 'notice', text });
    }
  }

  /** What is not there of everything that these triggers wait for; null if one of them has its function. */
  #lackOf(triggers: readonly SymbolTrigger[], codes: readonly CodeOfProcess[]): string | null {
    if (triggers.some((trigger) => codes.some((code) => this.#breakpoints.find(code, trigger) !== null)))
      return null;
    const files = codes.flatMap((code) => code.files);
    const named = files.filter((file) =>
      triggers.some((trigger) => this.#breakpoints.isMeant(file, trigger)),
    );
    if (named.length === 0) return `the program has no object of that name yet (it has ${listOf(files)})`;
    return `the program has no such function yet (looked in ${listOf(named)}): unless a library or program that comes later has it, that never happens`;
  }
}

function listOf(files: readonly MappedFile[]): string {
  const names = [...new Set(files.map(({ path }) => basename(path)))];
  return [...names.slice(0, LISTED_OBJECTS), ...(names.length > LISTED_OBJECTS ? ['...'] : [])].join(', ');
}
