import { ARCHES } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Recorder, ProcessRecord } from './recorder.ts';
import { triggersOf, type PhaseRequest, type Trigger } from './trigger.ts';

/** A trigger that is still waited for; `phase` is the phase it begins, or null if it means that the program is ready. */
export interface Watch {
  readonly phase: number | null;
  readonly trigger: Trigger;
}

/** A line that has not ended, and who still looks at it: null as long as nothing matched, whoever is pending then. */
interface PartialLine {
  readonly text: string;
  readonly watches: readonly Watch[] | null;
}

/** Longest line that an output trigger looks at, in bytes; the rest of a longer one is passed over. */
const LINE_CAP = 65536;

/**
 * Knows which triggers are armed and what happens when one fires.
 *
 * Phases follow one another in the order in which they were given: the trigger of phase k counts for a process once
 * it is in phase k-1. System calls and symbols switch the process that hits them, and so its later children;
 * everything else switches the whole tree.
 */
export class Watches {
  readonly #recorder: Recorder;
  readonly #live: () => Iterable<ProcessRecord>;
  readonly #fired: (phase: number | null, process: ProcessRecord | null, at: number) => void;
  readonly #watches: Watch[];
  /** arch index and number to the watches on that call. */
  readonly #calls: Map<number, Watch[]> = new Map();
  readonly #counts: WeakMap<ProcessRecord, Map<Watch, number>> = new WeakMap();
  /** The line under way of each stream. */
  readonly #partial: Map<string, PartialLine> = new Map();
  readonly entered: boolean[];
  #ready = false;

  constructor(
    phases: readonly PhaseRequest[],
    ready: Trigger | null,
    recorder: Recorder,
    live: () => Iterable<ProcessRecord>,
    fired: (phase: number | null, process: ProcessRecord | null, at: number) => void,
  ) {
    this.#recorder = recorder;
    this.#live = live;
    this.#fired = fired;
    this.#watches = watchesOf(phases, ready);
    this.entered = [true, ...phases.map(() => false)];
    for (const watch of this.#watches) {
      if (watch.trigger.kind === 'syscall') this.#indexCall(watch, watch.trigger.name);
    }
  }

  /** Phase that the tree as a whole has reached: the highest that any process entered. */
  get phase(): number {
    return this.entered.lastIndexOf(true);
  }

  /** Whether the program is ready, or need not be waited for. */
  get isReady(): boolean {
    return this.#ready || !this.#watches.some(({ phase }) => phase === null);
  }

  /** Whether calls of this number matter to a trigger. */
  watchesCall(arch: number, nr: number): boolean {
    return this.#calls.size > 0 && this.#calls.has(callKey(arch, nr));
  }

  /** Triggers of a kind that may still fire for some process. */
  pending(kind: Trigger['kind']): Watch[] {
    return this.#watches.filter((watch) => watch.trigger.kind === kind && this.#mayFire(watch));
  }

  onCall(process: ProcessRecord, arch: number, nr: number, at: number): void {
    // Chosen before any fires: a call that begins one phase does not count for the next.
    const armed = (this.#calls.get(callKey(arch, nr)) ?? []).filter((watch) => this.armedFor(watch, process));
    for (const watch of armed) {
      if (watch.trigger.kind !== 'syscall') continue;
      const counts = this.#counts.get(process) ?? new Map<Watch, number>();
      this.#counts.set(process, counts);
      const count = (counts.get(watch) ?? 0) + 1;
      counts.set(watch, count);
      if (count === watch.trigger.n) this.fireProcess(watch, process, at);
    }
  }

  onListen(address: string, at: number): void {
    for (const watch of this.pending('listen')) {
      if (watch.trigger.kind === 'listen' && watch.trigger.address === address)
        this.fireTree(watch.phase, at);
    }
  }

  /**
   * Bytes written to stdout or stderr; `stream` tells the files apart. What a write leaves of a line that has not ended, as a
   * prompt does, is looked at too; for one trigger after another it still is one line.
   */
  onOutput(stream: string, bytes: Uint8Array, at: number): void {
    const before = this.#partial.get(stream) ?? { text: '', watches: null };
    const lines = (before.text + Buffer.from(bytes).toString('latin1')).split('\n');
    const last = (lines.pop() as string).slice(0, LINE_CAP);
    let { watches } = before;
    for (const line of lines) {
      this.#onLine(line, watches, at);
      watches = null;
    }
    const isNews = last !== '' && (lines.length > 0 || last.length > before.text.length);
    this.#partial.set(stream, { text: last, watches: isNews ? this.#onLine(last, watches, at) : watches });
  }

  /** @returns who still looks at what else comes of this line: null if nothing matched so far */
  #onLine(raw: string, watches: readonly Watch[] | null, at: number): readonly Watch[] | null {
    const line = Buffer.from(raw.slice(0, LINE_CAP), 'latin1').toString('utf8').replace(/\r$/, '');
    const armed = watches ?? this.pending('output');
    const matching = armed.filter(
      ({ trigger }) => trigger.kind === 'output' && new RegExp(trigger.pattern, 'u').test(line),
    );
    for (const watch of matching) this.fireTree(watch.phase, at);
    return matching.length === 0 ? watches : armed.filter((watch) => !matching.includes(watch));
  }

  /** Whether the trigger counts for this process now. */
  armedFor(watch: Watch, process: ProcessRecord): boolean {
    return watch.phase === null ? !this.#ready : process.phase === watch.phase - 1;
  }

  /** A symbol was reached, or a system call counted up. */
  fireProcess(watch: Watch, process: ProcessRecord, at: number): void {
    if (watch.phase === null) {
      this.fireTree(null, at);
      return;
    }
    if (!this.armedFor(watch, process)) return;
    this.entered[watch.phase] = true;
    this.#recorder.enterPhase(process, watch.phase, at);
    this.#fired(watch.phase, process, at);
  }

  /** The whole tree enters a phase, or the program is ready. */
  fireTree(phase: number | null, at: number): void {
    if (phase === null) {
      if (this.#ready) return;
      this.#ready = true;
    } else {
      if (this.entered[phase] !== false) return;
      this.entered[phase] = true;
      for (const process of this.#live()) this.#recorder.enterPhase(process, phase, at);
    }
    this.#fired(phase, null, at);
  }

  #indexCall(watch: Watch, name: string): void {
    for (const [arch, archName] of ARCHES.entries()) {
      const nr = syscallNumber(archName, name);
      if (nr === null) continue;
      const key = callKey(arch, nr);
      this.#calls.set(key, [...(this.#calls.get(key) ?? []), watch]);
    }
  }

  #mayFire(watch: Watch): boolean {
    if (watch.phase === null) return !this.#ready;
    if (this.entered[watch.phase - 1] !== true) return false;
    // A symbol stays interesting for other processes of the tree after the first has reached it.
    return watch.trigger.kind === 'symbol' || this.entered[watch.phase] !== true;
  }
}

function callKey(arch: number, nr: number): number {
  return arch * 2 ** 33 + nr;
}

/** What is waited for: in the order of phases, and last that the program is ready. */
export function watchesOf(phases: readonly PhaseRequest[], ready: Trigger | null): Watch[] {
  const watches: Watch[] = phases.flatMap((request, index) =>
    triggersOf(request).map((trigger) => ({ phase: index + 1, trigger })),
  );
  if (ready !== null) watches.push({ phase: null, trigger: ready });
  return watches;
}
