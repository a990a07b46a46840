import { formatDuration } from '../base/duration.ts';
import { callKey } from './call-union.ts';
import { requireProfile } from './given.ts';
import type { Call, Process, Profile } from './model.ts';
import { mainTimes, recut, uncut, type Split } from './recut.ts';
import { isChildWait, serviceOf, type Service } from './serving.ts';
import { formatTrigger } from './splits.ts';
import { isUnmeasured } from './unmeasured.ts';
import { baseName } from '../base/base-name.ts';

/** Part of the time spent in the waiting call, and nanoseconds, within which the loop must have begun. */
const IDLE_SHARE = 0.05;
const IDLE_CAP = 1e9;

/** A process with a steady state, and where it begins. */
export interface PhaseProposal {
  /** Index into `processes`. */
  readonly process: number;
  /** The waiting call in which its loop begins: use `n`, counted from 1. */
  readonly call: string;
  readonly n: number;
  /** Time of that use, nanoseconds since the start of the run. */
  readonly at: number;
  /** Such as `syscall:epoll_wait#2`. */
  readonly trigger: string;
  /** Uses of the call from then on. */
  readonly uses: number;
  /** Share of its time from then on that it waits there, 0 to 1; several threads that wait at once count as one. */
  readonly share: number;
  /** Calls of the process that neither it nor its children need from then on, out of `total`; the launch does not count. */
  readonly blocked: number;
  readonly total: number;
  /** For people. */
  readonly reason: string;
}

/**
 * Finds the processes that serve, and for each where set-up ends and the steady state begins. None for programs that
 * just do their work and end, however often they wait.
 *
 * The steady state begins with a use of the event call in which the process waits longest: among the uses after its
 * sockets were open, before it idled and not after the first client was served, the one after which most of the calls
 * of its set-up are over. Processes of the same program that wait in the same call get the same use where they can. A process that was
 * attached to has no set-up in the profile, one that is born in main needs none.
 */
export function proposeSplits(profile: Profile): readonly PhaseProposal[] {
  requireProfile('proposeSplits', 'profile', profile);
  const descendants = latestBirths(profile);
  const chosen = new Map<number, Choice>();
  const switches: number[] = [];
  for (const [index, process] of profile.processes.entries()) {
    const isBornInMain = process.parent !== null && process.start >= (switches[process.parent] ?? Infinity);
    const choice = isBornInMain ? null : chooseLoop(profile, index, descendants);
    if (choice !== null) chosen.set(index, choice);
    switches.push(isBornInMain ? -Infinity : (choice?.at ?? Infinity));
  }
  const agreed = agree(profile, chosen);
  const born = mainTimes(profile, new Map([...agreed].map(([index, { at }]) => [index, at])));
  return [...agreed].flatMap(([index, choice]) =>
    born[index] === -Infinity ? [] : toProposal(profile, index, choice, descendants[index]),
  );
}

/** The split that all proposals make together, null if there is none, or if last uses were not measured. */
export function autoSplit(profile: Profile): Split | null {
  if (profile.processes.some(isUnmeasured)) return null;
  const proposals = proposeSplits(profile);
  if (proposals.length === 0) return null;
  return {
    trigger: [...new Set(proposals.map(({ trigger }) => trigger))].join(' | '),
    source: 'auto',
    reason: joinReasons(profile, proposals),
    times: new Map(proposals.map(({ process, at }) => [process, at])),
  };
}

/** The profile cut at the proposed splits, or with nothing but setup if there are none. */
export function applyAuto(profile: Profile): Profile {
  const split = autoSplit(profile);
  return split === null ? uncut(profile) : recut(profile, split);
}

/** A use of the waiting call with which the loop of a process may begin. */
interface Choice {
  readonly call: Call;
  readonly n: number;
  readonly at: number;
  /** Calls of the set-up that are over, for each use that is possible. */
  readonly scores: ReadonlyMap<number, number>;
}

/** For each process: call key to the latest birth of a descendant that uses it. */
type Births = ReadonlyMap<string, number>;

function latestBirths(profile: Profile): readonly Births[] {
  const result: Map<string, number>[] = profile.processes.map(() => new Map());
  const raise = (births: Map<string, number>, key: string, start: number): void => {
    if (start > (births.get(key) ?? -Infinity)) births.set(key, start);
  };
  // Children stand after their parents: from the back, all of a child's own descendants are known.
  for (let index = profile.processes.length - 1; index >= 0; index--) {
    const { parent, start, calls } = profile.processes[index] as Process;
    const births = parent === null ? undefined : result[parent];
    if (births === undefined) continue;
    for (const call of calls) raise(births, callKey(call), start);
    for (const [key, birth] of result[index] ?? []) raise(births, key, birth);
  }
  return result;
}

function chooseLoop(profile: Profile, index: number, descendants: readonly Births[]): Choice | null {
  const process = profile.processes[index] as Process;
  const service = process.birth === 'attach' ? null : serviceOf(profile, process);
  if (service === null) return null;
  const call = longestWait(process, service.isWait) ?? waitForWorkers(profile, index);
  if (call === null) return null;

  const needs = needsOf(process, descendants[index]);
  const scores = scoreUses(profile, process, call, service, needs);
  let best: number | null = null;
  for (const [n, score] of scores) if (best === null || score > (scores.get(best) ?? 0)) best = n;
  if (best === null) return null;
  const choice = { call, n: best, at: call.waits?.uses[best - 1] ?? 0, scores };
  const { uses, share } = steadiness(profile, process, choice);
  const isSteady = service.share > 0 ? share >= service.share : uses > 1 || share >= 0.5;
  return isSteady && needs.some(({ until }) => until < choice.at) ? choice : null;
}

function longestWait(process: Process, isWait: (call: Call) => boolean): Call | null {
  let longest: Call | null = null;
  for (const call of process.calls) {
    // A trigger needs a name.
    if (call.name === null || !isWait(call) || (call.waits?.uses.length ?? 0) === 0) continue;
    if ((call.waits?.total ?? 0) > (longest?.waits?.total ?? -1)) longest = call;
  }
  return longest;
}

/** Waiting for children is a steady state only if these serve in the place of the process. */
function waitForWorkers(profile: Profile, index: number): Call | null {
  const hasWorkers = profile.processes.some(
    (child) =>
      child.parent === index &&
      child.birth !== 'exec' &&
      longestWait(child, serviceOf(profile, child)?.isWait ?? never) !== null,
  );
  return hasWorkers ? longestWait(profile.processes[index] as Process, isChildWait) : null;
}

function never(): boolean {
  return false;
}

/** Possible uses in ascending order, each with the number of set-up calls that are over by then. */
function scoreUses(
  profile: Profile,
  process: Process,
  call: Call,
  { ready, served }: Service,
  needs: readonly Need[],
): ReadonlyMap<number, number> {
  const uses = (call.waits?.uses ?? []).flatMap((at, place) => (at >= ready ? [{ n: place + 1, at }] : []));
  const idle = (uses[0]?.at ?? 0) + idleTime(profile, process, call, uses[0]?.at ?? 0);
  const inTime = uses.filter(({ at }) => at <= Math.min(served, idle));
  // A master may get to wait only when its workers serve already: then the first use is the only sensible one.
  const possible = inTime.length > 0 ? inTime : uses.slice(0, 1);
  const begin = possible[0]?.at ?? 0;
  // A call that first comes after the loop may have begun is no evidence: it may be a rare event of the loop.
  const ofSetup = needs.filter(({ first }) => first < begin);
  return new Map(possible.map(({ n, at }) => [n, ofSetup.filter(({ until }) => until < at).length]));
}

/**
 * Set-up does not idle: so long after the first possible use, the loop runs at the latest, and what is over by then
 * includes what the loop does only now and then, such as allocating memory, or what ends it.
 */
function idleTime(profile: Profile, process: Process, call: Call, at: number): number {
  const waited = Math.min(call.waits?.total ?? 0, endOf(profile, process, at) - at);
  return Math.min(IDLE_CAP, waited * IDLE_SHARE);
}

function endOf(profile: Profile, process: Process, otherwise: number): number {
  return process.end ?? profile.runs[process.run]?.duration ?? otherwise;
}

/** A call of a process and the last time at which it is needed: by itself, or by birth of a child that uses it. */
interface Need {
  readonly first: number;
  readonly until: number;
}

/** Calls without times are always needed; the launch never is. */
function needsOf(process: Process, births: Births | undefined): readonly Need[] {
  return process.calls
    .filter(({ launch }) => launch !== true)
    .map((call) => ({
      first: call.first ?? Infinity,
      until: Math.max(call.last ?? Infinity, births?.get(callKey(call)) ?? -Infinity),
    }));
}

/** Gives processes of the same program and waiting call the use that is best for them together, if one is possible for all. */
function agree(profile: Profile, chosen: ReadonlyMap<number, Choice>): ReadonlyMap<number, Choice> {
  const groups = new Map<string, Choice[]>();
  const keyOf = (index: number, { call }: Choice): string =>
    `${profile.processes[index]?.program ?? `process ${index}`} ${callKey(call)}`;
  for (const [index, choice] of chosen) appendTo(groups, keyOf(index, choice), choice);
  const best = new Map([...groups].map(([key, choices]) => [key, bestForAll(choices)]));
  return new Map(
    [...chosen].map(([index, choice]) => {
      const n = best.get(keyOf(index, choice)) ?? choice.n;
      return [index, { ...choice, n, at: choice.call.waits?.uses[n - 1] ?? choice.at }];
    }),
  );
}

function bestForAll(choices: readonly Choice[]): number | null {
  let best: number | null = null;
  let most = -1;
  for (const n of choices[0]?.scores.keys() ?? []) {
    if (!choices.every(({ scores }) => scores.has(n))) continue;
    const sum = choices.reduce((total, { scores }) => total + (scores.get(n) ?? 0), 0);
    if (sum > most) [best, most] = [n, sum];
  }
  return best;
}

function steadiness(
  profile: Profile,
  process: Process,
  { call, n, at }: Pick<Choice, 'call' | 'n' | 'at'>,
): { uses: number; share: number } {
  const time = Math.max(1, endOf(profile, process, at) - at);
  return {
    uses: (call.count ?? call.waits?.uses.length ?? 0) - n + 1,
    share: Math.min(1, (call.waits?.total ?? 0) / time),
  };
}

function toProposal(
  profile: Profile,
  index: number,
  choice: Choice,
  births: Births | undefined,
): PhaseProposal {
  const process = profile.processes[index] as Process;
  const { n, at } = choice;
  const call = choice.call.name ?? `${choice.call.nr}`;
  const { uses, share } = steadiness(profile, process, choice);
  const needs = needsOf(process, births);
  const blocked = needs.filter(({ until }) => until < at).length;
  const total = needs.length;
  const often = uses === 1 ? 'once' : `${uses} times`;
  const percent = share < 0.01 ? 'less than 1' : `${Math.round(share * 100)}`;
  const reason =
    `${programName(profile, process)} (pid ${process.pid}) waits in ${call} from ${formatDuration(at)} on, ` +
    `${often}, ${percent} % of its time; main never uses ${blocked} of ${total} calls`;
  const trigger = formatTrigger({ kind: 'syscall', name: call, n });
  return { process: index, call, n, at, trigger, uses, share, blocked, total, reason };
}

/** As it was called: one file may be many programs, and a fork goes by the name of its parent. */
function programName(profile: Profile, process: Process): string {
  let named = process;
  while (named.argv === null && named.birth !== 'exec' && named.parent !== null) {
    named = profile.processes[named.parent] as Process;
  }
  const path = process.program === null ? undefined : profile.programs[process.program]?.path;
  return lastPart(named.argv?.[0]) || lastPart(path) || 'process';
}

function lastPart(path: string | undefined): string {
  return path === undefined ? '' : baseName(path);
}

/** One sentence for each program and trigger: a server may have hundreds of workers alike. */
function joinReasons(profile: Profile, proposals: readonly PhaseProposal[]): string {
  const groups = new Map<string, PhaseProposal[]>();
  for (const proposal of proposals) {
    const key = `${profile.processes[proposal.process]?.program ?? ''} ${proposal.trigger}`;
    appendTo(groups, key, proposal);
  }
  const sentences = [...groups.values()].map(([first, ...others]) => {
    const alike = others.length === 1 ? '1 more process' : `${others.length} more processes`;
    return others.length === 0 ? first?.reason : `${first?.reason} (${alike} alike)`;
  });
  return sentences.join('; ');
}

function appendTo<Item>(groups: Map<string, Item[]>, key: string, item: Item): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [item]);
  else group.push(item);
}
