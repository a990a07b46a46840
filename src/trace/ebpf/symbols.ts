import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { SystemCallError, UnsupportedError } from '../../base/errors.ts';
import type { TraceRequest } from '../backend.ts';
import { functionOffset } from '../function-offset.ts';
import { ObjectNames, startedAs, type MappedFile } from '../object-names.ts';
import { readArgv, readExecutable, readMappings } from '../proc.ts';
import type { ProcessRecord } from '../recorder.ts';
import type { Trigger } from '../trigger.ts';
import type { Watch, Watches } from '../watches.ts';
import type { Attachment } from './attachment.ts';
import { loadSet, type Surroundings } from './load-set.ts';
import type { ProgramOptions, SymbolTrigger } from './program.ts';
import type { Asker } from './asker.ts';
import { explainRefusal } from './refusal.ts';

type SymbolWatch = Watch & { readonly trigger: Extract<Trigger, { kind: 'symbol' }> };

/** A function in a file. */
interface Place {
  readonly path: string;
  readonly offset: number;
}

/**
 * Triggers on functions: a program in the kernel runs whenever one of them is reached. As nothing is stopped, the file must be
 * known before it is executed; what comes as a surprise is watched from then on, and the trace says that it was late.
 */
export class Symbols {
  readonly #watches: Watches;
  readonly #around: Surroundings;
  readonly #isScope: boolean;
  readonly #triggers: readonly (readonly [SymbolWatch, SymbolTrigger])[];
  /** Descriptors by place, with the triggers that wait there. */
  readonly #probes: Map<string, { readonly fd: number; readonly triggers: readonly SymbolTrigger[] }> =
    new Map();
  readonly #looked: Set<string> = new Set();
  readonly #names: ObjectNames = new ObjectNames();
  #options: ProgramOptions | null = null;
  /** What may have been reached unseen. */
  readonly missed: string[] = [];

  /** `first` is the number of the first trigger on a function; those before it are on system calls. */
  constructor(request: TraceRequest, watches: Watches, list: readonly Watch[], first: number) {
    const { target } = request;
    this.#watches = watches;
    this.#isScope = target.kind === 'scope';
    this.#around = target.kind === 'launch' ? target : { env: [], cwd: null };
    this.#triggers = list.filter(isSymbolWatch).map((watch, place) => {
      const { phase } = watch;
      return [watch, { index: first + place, armed: phase === null ? null : phase - 1, phase }];
    });
  }

  get isEmpty(): boolean {
    return this.#triggers.length === 0;
  }

  /**
   * Puts programs at all functions that are waited for, before what is traced can come to them.
   *
   * @throws UnsupportedError if one of them is in no file that can be known now
   */
  place({ target, phases }: TraceRequest, attachment: Attachment, options: ProgramOptions): void {
    if (this.isEmpty) return;
    this.#refuseLate(phases);
    this.#options = options;
    const places = new Map<SymbolWatch, Place[]>(this.#triggers.map(([watch]) => [watch, []]));
    const sets =
      target.kind === 'launch'
        ? [filesToMap(target.path, basename(target.path), this.#around)]
        : target.kind === 'attach'
          ? target.pids.map(mappedFiles)
          : [[]];
    // Whoever attaches to it says what is wrong with a process that has nothing in memory.
    if (target.kind === 'attach' && sets.every((files) => files.length === 0)) return;
    for (const files of sets) {
      for (const [watch, found] of places) found.push(...(this.#find(watch, files) ?? []));
    }
    for (const [{ trigger }, found] of places) {
      if (found.length > 0) continue;
      const { object } = trigger;
      if (target.kind === 'scope') throw unplaced(trigger, target.text);
      const files = sets.flat();
      const isNamed = object === null || files.some((file) => this.#names.has(file, object));
      const what = isNamed
        ? 'is in nothing that the program has when it starts'
        : `names nothing that the program has when it starts (${files.map(({ path }) => basename(path)).join(', ')})`;
      throw new UnsupportedError(
        `trace: ${trigger.text} ${what}, and eBPF tracing cannot wait for what comes later (give the path of the object, or use --method seccomp or ptrace)`,
        { feature: 'symbol triggers' },
      );
    }
    try {
      this.#attach(places, attachment);
    } catch (error) {
      const asker: Asker = { command: 'trace', hasAlternative: !this.#isScope };
      throw error instanceof SystemCallError ? explainRefusal(error, asker) : error;
    }
  }

  /** A process executes something: if a function that is still waited for is in it as well, it may have been reached by now. */
  executed(process: ProcessRecord, path: string | null, attachment: Attachment): void {
    if (this.isEmpty || this.#isScope) return;
    const name = path ?? 'a program that has no path';
    if (this.#looked.has(name)) return;
    if (!this.#triggers.some(([watch]) => this.#watches.armedFor(watch, process))) return;
    this.#looked.add(name);
    const files = path === null ? [] : filesToMap(path, startedAs(process), this.#around);
    if (files.length === 0) {
      const names = this.#triggers.map(([{ trigger }]) => trigger.text).join(', ');
      this.missed.push(
        `${name} could not be read when it was executed: whether it has ${names} is not known`,
      );
    }
    const late = new Map<SymbolWatch, Place[]>();
    for (const [watch] of this.#triggers) {
      const places = (this.#find(watch, files) ?? []).filter((place) => !this.#probes.has(keyOf(place)));
      if (places.length > 0) late.set(watch, places);
    }
    try {
      this.#attach(late, attachment);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    for (const [{ trigger }, places] of late) {
      for (const place of places) {
        this.missed.push(
          `${place.path} has ${trigger.name} as well, which ${name} may have reached before it was watched there (--method seccomp stops in time)`,
        );
      }
    }
  }

  /** Takes out what no process can come to any more: those who call the function often pay for it no longer. */
  prune(live: Iterable<ProcessRecord>, attachment: Attachment): void {
    if (this.#probes.size === 0) return;
    const phases = [...live].map(({ phase }) => phase);
    // The program is still to come.
    if (phases.length === 0) return;
    const lowest = Math.min(...phases);
    for (const [key, { fd, triggers }] of this.#probes) {
      const isWaitedFor = triggers.some(({ armed }) =>
        armed === null ? !this.#watches.isReady : this.#isScope || lowest <= armed,
      );
      if (isWaitedFor) continue;
      attachment.removeProbe(fd);
      this.#probes.delete(key);
    }
  }

  /** @throws UnsupportedError for a function that counts from a moment on of which the kernel learns too late */
  #refuseLate(phases: TraceRequest['phases']): void {
    for (const [{ trigger }, { armed }] of this.#triggers) {
      const before = armed === null || armed === 0 ? null : phases[armed - 1];
      const late = [before?.trigger, ...(before?.alternatives ?? [])].find(
        (one) => one !== undefined && one.kind !== 'syscall' && one.kind !== 'symbol',
      );
      if (late === undefined) continue;
      throw new UnsupportedError(
        `trace: ${trigger.text} counts from ${late.text} on, which eBPF tracing would learn of too late (use --method seccomp or ptrace)`,
        { feature: 'symbol triggers' },
      );
    }
  }

  #attach(places: ReadonlyMap<SymbolWatch, readonly Place[]>, attachment: Attachment): void {
    const byPlace = new Map<string, { place: Place; triggers: SymbolTrigger[] }>();
    for (const [watch, trigger] of this.#triggers) {
      for (const place of places.get(watch) ?? []) {
        const at = byPlace.get(keyOf(place)) ?? { place, triggers: [] };
        byPlace.set(keyOf(place), at);
        if (!at.triggers.includes(trigger)) at.triggers.push(trigger);
      }
    }
    for (const [key, { place, triggers }] of byPlace) {
      const fd = attachment.addProbe(this.#options as ProgramOptions, triggers, place.path, place.offset);
      this.#probes.set(key, { fd, triggers });
    }
  }

  /** Where a function is among these files: in the first that has it, as for a breakpoint. */
  #find({ trigger: { object, name } }: SymbolWatch, files: readonly MappedFile[]): Place[] | null {
    const wanted = files.filter((file) => object === null || this.#names.has(file, object));
    // By its path it is known wherever it will be mapped.
    if (wanted.length === 0 && object?.startsWith('/') === true && existsSync(object)) {
      wanted.push({ path: object, root: '', startedAs: null });
    }
    for (const { root, path } of wanted) {
      const offset = functionOffset(`${root}${path}`, name);
      if (offset !== null) return [{ path: `${root}${path}`, offset }];
    }
    return null;
  }
}

/** Of a function that is to be watched where no program is known from the start. */
function unplaced({ text, object, name }: SymbolWatch['trigger'], scope: string): UnsupportedError {
  const what =
    object === null || !object.startsWith('/')
      ? 'does not say in which file'
      : existsSync(object)
        ? 'names no function of that file'
        : 'names no file';
  return new UnsupportedError(
    `trace: ${text} ${what}, and what runs in ${scope} is not known beforehand (give the path of the object: symbol:/PATH/TO/OBJECT:${name})`,
    { feature: 'symbol triggers' },
  );
}

function isSymbolWatch(watch: Watch): watch is SymbolWatch {
  return watch.trigger.kind === 'symbol';
}

/** By the file itself, which may have several names: what waits at one place must be one program. */
function keyOf({ path, offset }: Place): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return `${offset} ${stat === undefined ? path : `${stat.dev} ${stat.ino}`}`;
}

/** What a program will have in memory, itself first. */
function filesToMap(program: string, name: string | null, around: Surroundings): MappedFile[] {
  return loadSet(program, around).map((path, index) => ({
    path,
    root: '',
    startedAs: index === 0 ? name : null,
  }));
}

function mappedFiles(pid: number): MappedFile[] {
  const mappings = readMappings(pid).filter(({ executable }) => executable);
  const program = readExecutable(pid);
  const [name] = readArgv(pid);
  const paths = new Set(mappings.map(({ path }) => path));
  return [...paths]
    .sort((a, b) => Number(b === program) - Number(a === program))
    .map((path) => ({
      path,
      root: `/proc/${pid}/root`,
      startedAs: path === program && name !== undefined ? basename(name) : null,
    }));
}
