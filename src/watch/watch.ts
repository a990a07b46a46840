import { existsSync, readFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { CAP, hasBit } from '../abi/capabilities.ts';
import { SystemCallError, UnsupportedError } from '../base/errors.ts';
import { openLibc } from '../sys/libc.ts';
import type { Asker } from '../trace/ebpf/asker.ts';
import { Attachment, type Limits } from '../trace/ebpf/attachment.ts';
import { decodeEvent } from '../trace/ebpf/events.ts';
import { readKernelFields } from '../trace/ebpf/kernel-image.ts';
import { Pending } from '../trace/ebpf/pending.ts';
import { explainRefusal } from '../trace/ebpf/refusal.ts';
import { describeHost } from '../trace/host.ts';
import { isInInitialPidNamespace } from '../trace/method.ts';
import { ownCapabilities } from '../trace/proc.ts';
import { Cgroups } from './cgroups.ts';
import { Crowd } from './crowd.ts';
import type { WatchFacts } from './metrics.ts';
import type { ProfileDirectory } from './profile-directory.ts';
import {
  cgroupPath,
  containerOf,
  executableOf,
  isDeleted,
  isSelected,
  unitOf,
  type Division,
  type Selection,
  type Target,
} from './target.ts';
import { TargetRecord } from './target-record.ts';

/** Enough for some 5,000 processes at a time; the larger a map, the further apart lie the keys that each call looks up. */
const LIMITS: Limits = { tasks: 65_536, calls: 262_144, values: 131_072, events: 1 << 23 };

const ASKER: Asker = { command: 'watch', hasAlternative: false };

/** Time between two looks at the events in milliseconds: while there are some, and else. */
const BUSY = 50;
const IDLE = 200;

/** Looks between two searches of the maps, while there are losses: a search takes longer than the rest of a look. */
const SWEEP_LOOKS = 10;

/** How far the programs were at a moment. */
interface Moment {
  /** Nanoseconds of the monotonic clock. */
  readonly time: bigint;
  /** Events and calls that were lost before. */
  readonly lost: number;
  /** Where the events end that were told before. */
  readonly told: bigint;
}

/** What to watch. */
export interface WatchOptions {
  readonly directory: ProfileDirectory;
  readonly by: Division;
  readonly selection: Selection;
  /** Milliseconds between two writings. */
  readonly interval: number;
  /** Takes lines for people. */
  readonly say: (text: string) => void;
}

/** Capabilities by which processes of others are looked at, each with those of which one is enough; source: capabilities(7). */
const LOOKING = [
  { name: 'CAP_SYS_PTRACE', bits: [CAP.SYS_PTRACE] },
  { name: 'CAP_DAC_READ_SEARCH', bits: [CAP.DAC_READ_SEARCH, CAP.DAC_OVERRIDE] },
] as const;

/** Names of the capabilities that this process lacks to look at the executables and arguments of every process. */
export function missingCapabilities(): readonly string[] {
  const own = ownCapabilities();
  return LOOKING.filter(({ bits }) => !bits.some((bit) => hasBit(own, bit))).map(({ name }) => name);
}

/** Records the whole machine until it is ended. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #attachment: Attachment;
  readonly #crowd: Crowd;
  readonly #pending: Pending;
  readonly #cgroups: Cgroups = new Cgroups();
  readonly #targets: Map<string, TargetRecord | null> = new Map();
  readonly #begin: bigint = process.hrtime.bigint();
  readonly #boot: string = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  readonly #warned: Set<string> = new Set();
  readonly #names: Map<string, boolean> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #writeTimer: NodeJS.Timeout | undefined;
  #looks = 0;
  #lost = 0;
  /** When the losses were looked at the last time: what is lost later is lost by what lived then, or later. */
  #lossesAt: bigint = this.#begin;
  /** Whether something was lost since the maps were searched. */
  #hasGaps = false;
  #failures = 0;
  #writings = 0;

  /** Begins at once. @throws UnsupportedError if the machine cannot do it */
  constructor(options: WatchOptions) {
    this.#options = options;
    if (!isInInitialPidNamespace()) {
      throw new UnsupportedError(
        'watch: callgate is in a pid namespace of its own, in which it cannot tell which processes the kernel means',
        { feature: 'eBPF' },
      );
    }
    const libc = openLibc();
    try {
      this.#attachment = new Attachment(
        libc,
        {
          fields: readKernelFields(ASKER),
          adoption: 'all',
          attaches: false,
          cgroup: 0n,
          mountNamespace: 0,
          self: process.pid,
          hasTreePhases: false,
          triggers: [],
          streams: [],
          tellsCalls: true,
          isLean: true,
          moves: true,
        },
        LIMITS,
        (attachment) => attachment.setEntries(0),
      );
    } catch (error) {
      throw error instanceof SystemCallError ? explainRefusal(error, ASKER) : error;
    }
    const places = {
      isStartByExec: options.by === 'exe',
      targetOf: (file: string | null, cgroups: string | null) => this.#targetOf(file, cgroups),
      cgroupsOf: (pid: number, id: bigint) => (options.by === 'exe' ? null : this.#cgroups.of(pid, id)),
      cgroupIdOf: (pid: number) => (options.by === 'exe' ? 0n : this.#cgroups.idOf(pid)),
    };
    this.#crowd = new Crowd(this.#attachment, libc, places, describeHost(libc.glibcVersion()));
    try {
      this.#pending = new Pending(this.#attachment);
    } catch (error) {
      this.#attachment[Symbol.dispose]();
      throw error instanceof SystemCallError ? explainRefusal(error, ASKER) : error;
    }
    if (options.by !== 'exe') this.#cgroups.containers();
    this.#wait(BUSY);
    this.#writeTimer = setInterval(() => this.#afterTurn((moment) => this.#write(moment)), options.interval);
  }

  /** Targets that something is known of, by name. */
  get targets(): readonly TargetRecord[] {
    return [...this.#targets.values()]
      .filter((record) => record !== null)
      .sort((a, b) => (a.target.name < b.target.name ? -1 : 1));
  }

  facts(): WatchFacts {
    const now = process.hrtime.bigint();
    const { user, system } = process.cpuUsage();
    return {
      seconds: Number(now - this.#begin) / 1e9,
      targets: this.targets.map((record) => ({
        name: record.target.name,
        calls: record.distinct,
        newCalls: record.newCalls,
        newInLastHour: record.newInLastHour(now),
        processes: record.live,
        starts: record.starts,
      })),
      processes: this.#crowd.size,
      lost: this.#lost,
      unattributed: this.#crowd.unattributed,
      writings: this.#writings,
      failures: this.#failures,
      cpuSeconds: (user + system) / 1e6,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** Writes every profile that has changed; what cannot be written is said once and tried again the next time. */
  #write(moment: Moment): void {
    this.#drain(moment.told);
    this.#lookForLosses(moment, false);
    const now = process.hrtime.bigint();
    this.#crowd.refresh(now);
    const { directory, say } = this.#options;
    if (directory.restore())
      say(`warning: ${directory.path} was removed: it is made again, with every profile`);
    for (const record of this.targets) {
      const { file, name } = record.target;
      // What somebody has removed is written again, though nothing has come of it since.
      if (record.runs > 0 && !directory.has(file)) record.isChanged = true;
      if (!record.isChanged) continue;
      try {
        directory.write(file, record.toProfile(now));
        record.isChanged = false;
        this.#writings++;
        if (this.#warned.delete(file)) say(`${file} is written again`);
      } catch (error) {
        this.#failures++;
        const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
        this.#warn(file, `cannot write the profile of ${name}, ${reason}; it is kept and tried again`);
      }
    }
  }

  /** Lets go of everything and writes for the last time. Returns whether all could be written. */
  async end(): Promise<boolean> {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    clearInterval(this.#writeTimer);
    this.#attachment.detach();
    const moment = this.#note();
    // What has come in by then names containers of which processes are told below; the first may be of the turn that is under way.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    // What has ended by now must not be taken for alive.
    this.#drain(moment.told);
    this.#lookForLosses(moment, true);
    for (const record of this.targets) record.markLive('the watch ended while it still ran');
    this.#write(moment);
    this.#attachment[Symbol.dispose]();
    this.#cgroups[Symbol.dispose]();
    return this.targets.every(({ isChanged }) => !isChanged);
  }

  #look(moment: Moment): void {
    this.#pending.look();
    const count = this.#drain(moment.told);
    this.#lookForLosses(moment, ++this.#looks % SWEEP_LOOKS === 0);
    this.#wait(count > 0 ? BUSY : IDLE);
  }

  #wait(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#immediate = this.#afterTurn((moment) => this.#look(moment));
    }, milliseconds);
  }

  /**
   * From a timer: does something about this moment when all else that has come in by now was taken notice of. A container is named before a
   * process of it is told of, and so is known when that is looked at.
   */
  #afterTurn(act: (moment: Moment) => void): NodeJS.Immediate {
    const moment = this.#note();
    return setImmediate(() => act(moment));
  }

  #note(): Moment {
    const time = process.hrtime.bigint();
    const { events, calls, tasks, runs } = this.#attachment.losses();
    return { time, lost: events + calls + tasks + runs, told: this.#attachment.events.end };
  }

  #drain(limit: bigint | null): number {
    return this.#attachment.events.drain((data, at) => {
      const event = decodeEvent(data, at);
      if (event !== null) this.#crowd.take(event);
    }, limit);
  }

  /**
   * Marks the runs that have lived since the last look, if something was lost meanwhile. What was told before is drained: a run that has lost
   * something may have begun in it, and have ended. `sweeps` says whether to find what was not told.
   */
  #lookForLosses({ time, lost }: Moment, sweeps: boolean): void {
    const fresh = lost - this.#lost;
    if (fresh > 0) {
      this.#lost = lost;
      this.#hasGaps = true;
      for (const record of this.targets) record.addLost(fresh, this.#lossesAt);
      const what = fresh === 1 ? '1 event or call was' : `${fresh} events or calls were`;
      this.#warn('lost', `${what} lost: the runs that went on meanwhile are marked incomplete`);
    }
    if (time > this.#lossesAt) this.#lossesAt = time;
    if (!sweeps || !this.#hasGaps) return;
    this.#hasGaps = false;
    // What is on the way is not missing.
    this.#crowd.sweep(() => this.#drain(null));
  }

  #targetOf(path: string | null, cgroups: string | null): TargetRecord | null | undefined {
    const { by } = this.#options;
    let target: Target | null;
    if (by === 'exe') {
      if (path === null) return undefined;
      target = executableOf(path, isDeleted(path) && this.#isName(path));
    } else {
      const cgroup = cgroups === null ? null : cgroupPath(cgroups);
      if (cgroup === null) return undefined;
      target =
        by === 'unit'
          ? unitOf(cgroup, this.#cgroups.containers())
          : containerOf(cgroup, this.#cgroups.containers());
    }
    return target === null ? null : this.#recordOf(target);
  }

  /** Whether a path that looks like that of a deleted file is one. As of the first time: later the file may have been deleted. */
  #isName(path: string): boolean {
    const isName = this.#names.get(path) ?? existsSync(path);
    this.#names.set(path, isName);
    return isName;
  }

  #recordOf(target: Target): TargetRecord | null {
    let record = this.#targets.get(target.file);
    if (record === undefined) {
      const { directory, selection, say } = this.#options;
      record = isSelected(target, selection)
        ? new TargetRecord(target, this.#readEarlier(directory, target, say), this.#boot)
        : null;
      this.#targets.set(target.file, record);
    }
    return record;
  }

  #readEarlier(
    directory: ProfileDirectory,
    { file }: Target,
    say: (text: string) => void,
  ): ReturnType<ProfileDirectory['read']> {
    try {
      return directory.read(file, say);
    } catch (error) {
      // It can neither be read nor put aside: what is written will replace it.
      this.#warn(`read ${file}`, `${file} cannot be read or put aside, ${describe(error)}`);
      return null;
    }
  }

  #warn(key: string, text: string): void {
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#options.say(`warning: ${text}`);
  }
}

function describe(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  return code ?? (errno === undefined ? message : getSystemErrorName(errno));
}
