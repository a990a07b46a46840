import { VERSION } from '../base/version.ts';
import { mergeProfiles } from '../profile/merge.ts';
import { PROFILE_FORMAT, PROFILE_VERSION, type Profile } from '../profile/model.ts';
import { readStat } from '../trace/proc.ts';
import { RunRecord, type RunStart } from './run-record.ts';
import type { Target } from './target.ts';

/** Runs that a profile keeps; when there are more, each two that follow one another become one. */
export const RUN_CAP = 16;

/** Nanoseconds in which a call is called new. */
const HOUR = 3600e9;

/** Moments of new calls that are remembered, at most: there are not many more calls. */
const FRESH_CAP = 1024;

/** What is known of one target. */
export class TargetRecord {
  readonly target: Target;
  #runs: RunRecord[];
  /** Starts that a new run stands for in the end: what was folded is compared with what is folded alike. */
  #size: number;
  readonly #earlier: number;
  readonly #boot: string | null;
  readonly #distinct: Set<string> = new Set();
  readonly #fresh: bigint[] = [];
  #isLiveSince = 0;
  /** Id of the cgroup of the process that was executed last. */
  life = 0n;
  /** Whether anything has happened since it was written. */
  isChanged = false;
  /** Calls that were new to the target since the watch began. */
  newCalls = 0;

  /** `earlier` is what was written before, and is continued; its runs too, as far as they are of this boot. */
  constructor(target: Target, earlier: Profile | null, boot: string | null = null) {
    this.target = target;
    this.#boot = boot;
    this.#runs = earlier === null ? [] : earlier.runs.map((_, index) => RunRecord.from(earlier, index, boot));
    this.life = this.#runs.at(-1)?.cgroup ?? 0n;
    this.#earlier = this.#runs.length;
    this.#size = Math.max(1, ...this.#runs.map(({ starts }) => starts));
    for (const process of earlier?.processes ?? []) {
      for (const { arch, nr } of process.calls) this.#distinct.add(`${arch} ${nr}`);
    }
    this.#foldRuns();
  }

  /** Distinct calls seen so far, in earlier watches too. */
  get distinct(): number {
    return this.#distinct.size;
  }

  get starts(): number {
    return this.#runs.reduce((sum, run) => sum + run.starts, 0);
  }

  get runs(): number {
    return this.#runs.length;
  }

  /** Runs that were read from a file. */
  get earlierRuns(): number {
    return this.#earlier;
  }

  /** Processes of it that live. */
  get live(): number {
    return this.#isLiveSince;
  }

  /**
   * Whether this is the cgroup in which the target was last: the same service goes on, with its next command. The root of
   * the hierarchy, where the ids begin, says nothing: there a container is told by other hierarchies.
   */
  isInLife(cgroup: bigint): boolean {
    return cgroup > 1n && cgroup === this.life;
  }

  /**
   * The run of an earlier watch to which a process belonged already that is found now; null if there is none. `now` is
   * nanoseconds of the monotonic clock.
   */
  resume(pid: number, now: bigint): RunRecord | null {
    if (this.#earlier === 0) return null;
    const startTime = readStat(pid)?.startTime;
    if (startTime === undefined) return null;
    const run = this.#runs.find((each) => each.hasLeft(pid, startTime));
    if (run !== undefined) this.#resume(run, now);
    return run ?? null;
  }

  /** The run to which a process belongs that begins: that of the target's latest start, or of a new one. */
  runOf(isStart: boolean, start: () => RunStart): RunRecord {
    const last = this.#runs.at(-1);
    // The same life of the cgroup as in an earlier watch.
    if (!isStart && last !== undefined && this.isInLife(last.cgroup)) this.#resume(last, start().origin);
    const isOwn = last !== undefined && this.#begun.has(last);
    if (isOwn && !isStart) return last;
    if (isOwn && last.starts < this.#size) {
      last.addStart();
      return last;
    }
    const run = new RunRecord(start());
    this.#begun.add(run);
    this.#runs.push(run);
    this.#foldRuns();
    return run.current;
  }

  #resume(run: RunRecord, now: bigint): void {
    if (this.#begun.has(run)) return;
    this.#begun.add(run);
    run.resume(now);
  }

  /** Runs of this watch, and of earlier ones that have gone on in it: only they go on. */
  readonly #begun: WeakSet<RunRecord> = new WeakSet();

  joined(): void {
    this.#isLiveSince++;
    this.isChanged = true;
  }

  left(): void {
    this.#isLiveSince--;
    this.isChanged = true;
  }

  /** A process has made a call for the first time. */
  sawCall(key: string, time: bigint): void {
    this.isChanged = true;
    if (this.#distinct.has(key)) return;
    this.#distinct.add(key);
    this.newCalls++;
    this.#fresh.push(time);
    if (this.#fresh.length > FRESH_CAP) this.#fresh.shift();
  }

  /** Calls that were new to the target in the last hour. */
  newInLastHour(now: bigint): number {
    while (this.#fresh.length > 0 && Number(now - (this.#fresh[0] as bigint)) > HOUR) this.#fresh.shift();
    return this.#fresh.length;
  }

  /** Says of every run that goes on, or went on after `since` (nanoseconds of the monotonic clock), that something was lost. */
  addLost(count: number, since: bigint): void {
    for (const run of this.#runs) {
      if (!run.hasLivedSince(since)) continue;
      run.addLost(count);
      this.isChanged = true;
    }
  }

  /** Says of every run that goes on why it is not complete. */
  markLive(reason: string): void {
    for (const run of this.#runs.filter(({ isLive }) => isLive)) {
      run.markIncomplete(reason);
      this.isChanged = true;
    }
  }

  /** The profile as of now. `now` is nanoseconds of the monotonic clock. */
  toProfile(now: bigint): Profile {
    const last = this.#runs.at(-1);
    return mergeProfiles(
      this.#runs.map((run) => {
        const life =
          this.#boot === null
            ? null
            : {
                boot: this.#boot,
                cgroup: run === last && this.#begun.has(run) && this.life > 1n ? this.life : run.cgroup,
                startTimeOf: (pid: number) => readStat(pid)?.startTime ?? null,
              };
        const { run: head, programs, processes } = run.toParts(now, life);
        return {
          format: PROFILE_FORMAT,
          version: PROFILE_VERSION,
          generator: { name: 'callgate', version: VERSION },
          runs: [head],
          phases: [{ name: 'setup', trigger: null, source: 'start', reason: null, entered: true }],
          programs,
          processes,
        };
      }),
    );
  }

  #foldRuns(): void {
    while (this.#runs.length > RUN_CAP) {
      const folded: RunRecord[] = [];
      // The last one stays alone if it has no partner: it is the one that goes on.
      for (let index = 0; index < this.#runs.length; index += 2) {
        const [first, second] = [this.#runs[index] as RunRecord, this.#runs[index + 1]];
        if (second !== undefined) {
          first.fold(second);
          if (this.#begun.has(second)) this.#begun.add(first);
        }
        folded.push(first);
      }
      this.#runs = folded;
      this.#size *= 2;
    }
  }
}
