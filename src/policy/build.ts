import { ARCHES, type Arch } from '../abi/arch.ts';
import { UsageError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { completePartial } from '../profile/unmeasured.ts';
import { requireProfiles } from '../profile/given.ts';
import { mergeProfiles } from '../profile/merge.ts';
import type { Profile, Run } from '../profile/model.ts';
import { uncut } from '../profile/recut.ts';
import { hasFailedWorkload } from '../profile/workload-failure.ts';
import { identifyName } from './call-label.ts';
import { canonicalPolicy } from './canonical.ts';
import { isDangerous } from './dangerous.ts';
import { gatherEvidence, type Evidence, type Scope, type ScopeEvidence } from './evidence.ts';
import { MAX_NR } from './filter/ir.ts';
import {
  ALWAYS_GROUP,
  LAUNCH_GROUP,
  MEMORY_CALLS,
  MEMORY_GROUP,
  RUNTIME_GROUPS,
  SWITCH_GROUP,
  THREADS_GROUP,
  THREAD_START_CALLS,
  VDSO_GROUP,
  type CallGroup,
} from './groups.ts';
import { describeIncomplete } from './incomplete-runs.ts';
import { newestOfRuns } from './kernel-release.ts';
import {
  POLICY_FORMAT,
  POLICY_VERSION,
  type KernelRange,
  type Policy,
  type PolicyArch,
  type PolicyCall,
  type PolicyPhase,
  type ProgramSet,
  type Runtime,
  type Strictness,
} from './model.ts';
import { baseName } from '../base/base-name.ts';
import { addEquivalents, PORTABLE_GROUP } from './portable.ts';
import { SetDraft } from './set-draft.ts';
import { summariseSources } from './sources.ts';
import { checkBuildOptions } from './build-options.ts';
import { alignPhases } from './unphased.ts';
import { canonicalViolation, DEFAULT_VIOLATION } from './violation.ts';
import { describeEvidence } from './why.ts';

/** What a policy is to be like. */
export interface BuildOptions {
  /** Default `observed`. */
  readonly strict?: Strictness;
  /** Adds what other C libraries and kernels of this range need; default null: nothing. */
  readonly portable?: KernelRange | null;
  /** Adds the calls that the vDSO hides; default true. */
  readonly vdso?: boolean;
  /** Adds what a program makes or not by chance: waits of threads for each other, memory calls; default true. */
  readonly chance?: boolean;
  /** Adds what these container runtimes need to start the program. */
  readonly runtimes?: readonly Runtime[];
  /** Makes rules of the recorded selecting arguments; default false. */
  readonly args?: boolean;
  /** `kill`, `trap`, `log` or `errno:NAME`; default `errno:EPERM`. */
  readonly onViolation?: string;
  /** Whether children that were started before a phase may be started again in it; default false. */
  readonly respawn?: boolean;
  /** Forgets the profiles' phases: one set for the whole life; default false. */
  readonly onePhase?: boolean;
  /**
   * What to do at strictness `sound` about sites that an analysis could not bound: `fail`, or `accept` that what they do beyond the
   * known calls is denied; default `accept`, with a note.
   */
  readonly unresolved?: 'fail' | 'accept';
  /** Whether programs get sets of their own if there is more than one; default true. */
  readonly perProgram?: boolean;
}

/** A policy, and what whoever asked for it should know. */
export interface BuiltPolicy {
  readonly policy: Policy;
  /** One sentence each. */
  readonly notes: readonly string[];
}

/**
 * Makes a policy from what profiles say.
 *
 * Profiles are joined; one without phases counts for every phase of the others. The set of a phase is what is needed
 * from then on, by what is there and by what will be born; it holds the set of the next phase, and what the switch to it takes.
 *
 * @throws UsageError if an option makes no sense, if there is nothing to allow, if the profiles' phases do not go together, or if more than
 * `observed` is asked for and no profile says what is possible
 */
export function buildPolicy(profiles: readonly Profile[], options: BuildOptions = {}): BuiltPolicy {
  requireProfiles('buildPolicy', profiles);
  checkBuildOptions('buildPolicy', options);
  const strict = options.strict ?? 'observed';
  const onViolation = canonicalViolation(options.onViolation ?? DEFAULT_VIOLATION);
  if (onViolation === null) {
    throw new UsageError(
      `policy: unknown action on violation, ${JSON.stringify(options.onViolation)} (kill, trap, log, errno:NAME)`,
    );
  }
  const { profiles: aligned, unphased } = alignPhases(
    options.onePhase === true ? profiles.map(uncut) : profiles,
  );
  const profile = completePartial(mergeProfiles(aligned));
  requirePossible(profile, strict);
  const unbounded = strict === 'sound' ? describeUnresolved(profile) : [];
  if (options.unresolved === 'fail' && unbounded.length > 0) {
    throw new UsageError(
      `policy: strictness sound, but ${countSites(unbounded)} could not be bounded (--unresolved accept denies what they do beyond the known calls)\n${unbounded.map((site) => `  ${site}`).join('\n')}`,
    );
  }
  const notes = unphased.size === 0 ? [] : [describeUnphased(profile, unphased)];
  const failed = profile.runs.filter(hasFailedWorkload).length;
  if (failed > 0) notes.push(describeFailed(failed, profile.runs));
  notes.push(...describeIncomplete(profile, strict));
  if (unbounded.length > 0) {
    notes.push(
      `${countSites(unbounded)} could not be bounded: what they do beyond the known calls is denied`,
    );
  }
  const maker = new PolicyMaker(profile, unphased, strict, options);
  const phases = maker.phases();
  notes.push(...maker.notes);
  const arches = maker.arches;
  const policy: Policy = {
    format: POLICY_FORMAT,
    version: POLICY_VERSION,
    generator: { name: 'callgate', version: VERSION },
    sources: summariseSources(profile),
    strict,
    kernels: options.portable ?? null,
    onViolation,
    arches: arches.map((arch): PolicyArch => ({ arch, newest: newestOfRuns(arch, profile.runs) })),
    enosys: arches.flatMap((arch) => explicitlyMissing(arch)),
    groups: [...maker.groups.values()].map(({ name, reason }) => ({ name, reason })),
    phases,
  };
  return { policy: canonicalPolicy(policy), notes };
}

/** So many numbers are listed in a note. */
const LISTED_NUMBERS = 5;

/** What the document says of a group. */
type GroupName = Pick<CallGroup, 'name' | 'reason'>;

/** What one policy is made of: the sets of all phases share arches, groups and options. */
class PolicyMaker {
  readonly notes: string[] = [];
  readonly groups: Map<string, GroupName> = new Map();
  readonly arches: readonly Arch[];
  readonly #profile: Profile;
  readonly #unphased: ReadonlySet<number>;
  readonly #strict: Strictness;
  readonly #options: BuildOptions;
  readonly #phases: readonly number[];
  readonly #phaseNames: readonly string[];
  readonly #gathered: Map<string, ScopeEvidence> = new Map();
  /** Calls whose number is beyond what a policy can hold, as in policies. */
  readonly #beyond: Set<string> = new Set();

  constructor(profile: Profile, unphased: ReadonlySet<number>, strict: Strictness, options: BuildOptions) {
    this.#profile = profile;
    this.#unphased = unphased;
    this.#strict = strict;
    this.#options = options;
    this.#phaseNames = profile.phases.map(({ name }) => name);
    const sets = profile.phases.map((_, phase) => this.#evidence({ phase, program: null }).calls);
    this.arches = archesOf(profile, sets[0] ?? []);
    this.#phases = sets.flatMap((calls, phase) => (phase > 0 && calls.length === 0 ? [] : [phase]));
    for (const [phase, name] of this.#phaseNames.entries()) {
      if (!this.#phases.includes(phase)) this.notes.push(`no process entered ${name}: it is left out`);
    }
    if (this.#beyond.size > 0) this.notes.push(describeBeyond([...this.#beyond]));
  }

  phases(): readonly PolicyPhase[] {
    const later: PolicyPhase[] = [];
    // From the last to the first: each set holds the next one.
    for (const phase of this.#phases.toReversed()) {
      const next = later[0];
      const programs = this.#programSets(phase, next);
      const calls = this.#set({ phase, program: null }, next, programs);
      const { name, trigger } = this.#profile.phases[phase] as Profile['phases'][number];
      later.unshift({ name, trigger: phase === 0 ? null : trigger, calls, programs });
    }
    return later;
  }

  #programSets(phase: number, next: PolicyPhase | undefined): readonly ProgramSet[] {
    const { programs } = this.#profile;
    if (this.#options.perProgram === false || programs.length < 2) return [];
    return programs.flatMap(({ path, buildId }, program) => {
      const later = next?.programs.find((set) => set.path === path && set.buildId === buildId);
      if (later === undefined && this.#evidence({ phase, program }).calls.length === 0) return [];
      const following = next === undefined ? undefined : { name: next.name, calls: later?.calls ?? [] };
      return [{ path, buildId, calls: this.#set({ phase, program }, following, []) }];
    });
  }

  #set(
    scope: Pick<Scope, 'phase' | 'program'>,
    next: Pick<PolicyPhase, 'name' | 'calls'> | undefined,
    programs: readonly ProgramSet[],
  ): readonly PolicyCall[] {
    const { args = false, portable = null, vdso = true, chance = true, runtimes = [] } = this.#options;
    const draft = new SetDraft(args);
    const gathered = this.#evidence(scope);
    for (const evidence of gathered.calls) {
      draft.addEvidence(evidence, describeEvidence(evidence, gathered, scope, this.#phaseNames));
    }
    if (chance) {
      if (gathered.hasThreads || gathered.calls.some(({ call }) => call.name === 'futex')) {
        this.#addGroup(draft, THREADS_GROUP);
      }
      if (scope.phase > 0) {
        this.#addEarlier(draft, scope, MEMORY_GROUP, MEMORY_CALLS, 'allocators make it at any time');
        if (gathered.hasThreads) {
          this.#addEarlier(draft, scope, THREADS_GROUP, THREAD_START_CALLS, 'threads may start as late');
        }
      }
    }
    if (portable !== null) {
      addEquivalents(draft, this.arches, portable);
      this.#name(PORTABLE_GROUP);
    }
    this.#addGroup(draft, ALWAYS_GROUP);
    if (vdso) this.#addGroup(draft, VDSO_GROUP);
    // What is executed gets its narrower filter put on top, from inside, under the filter of who executes it.
    const isNarrowed = programs.length > 0 || (scope.program !== null && gathered.calls.some(isExec));
    if (next !== undefined || isNarrowed) this.#addGroup(draft, SWITCH_GROUP);
    if (scope.phase === 0 && scope.program === null) {
      const isStarted = gathered.calls.some(({ call: { name } }) => name === 'execve');
      if (!isStarted && this.#strict !== 'observed') this.#addGroup(draft, LAUNCH_GROUP);
      for (const runtime of runtimes) this.#addGroup(draft, RUNTIME_GROUPS[runtime]);
    }
    for (const { path, calls } of programs) draft.addSet(calls, `needed in the set of ${baseName(path)}`);
    if (next !== undefined) draft.addSet(next.calls, `needed from ${next.name} on`);
    return draft.list(this.arches);
  }

  /** What was seen of such calls before this phase may be seen in it as well. */
  #addEarlier(
    draft: SetDraft,
    { phase, program }: Pick<Scope, 'phase' | 'program'>,
    group: GroupName,
    names: readonly string[],
    because: string,
  ): void {
    const why = `group ${group.name}: seen before ${this.#phaseNames[phase] ?? 'this phase'}, ${because}`;
    for (const evidence of this.#evidence({ phase: 0, program }).calls) {
      const { name } = evidence.call;
      if (name === null || !names.includes(name) || draft.has(evidence.call)) continue;
      draft.addEvidence(evidence, [why]);
      this.#name(group);
    }
  }

  #addGroup(draft: SetDraft, group: CallGroup): void {
    draft.addGroup(group, this.arches);
    this.#name(group);
  }

  #name({ name, reason }: GroupName): void {
    this.groups.set(name, { name, reason });
  }

  #evidence(scope: Pick<Scope, 'phase' | 'program'>): ScopeEvidence {
    const key = `${scope.phase} ${scope.program}`;
    const known = this.#gathered.get(key);
    if (known !== undefined) return known;
    const { respawn = false } = this.#options;
    const all = gatherEvidence(this.#profile, { ...scope, respawn, unphased: this.#unphased });
    const taken = all.calls.filter((evidence) => isTaken(evidence, this.#strict));
    const calls = taken.filter(({ call: { arch, nr } }) => {
      // No kernel makes calls with such numbers, and no filter can name them.
      if (nr > MAX_NR) this.#beyond.add(`${arch}:${nr}`);
      return nr <= MAX_NR;
    });
    const gathered = { ...all, calls };
    this.#gathered.set(key, gathered);
    return gathered;
  }
}

/** Whether a program was executed, other than by the launcher. */
function isExec({ call, uses }: Evidence): boolean {
  return (call.name === 'execve' || call.name === 'execveat') && uses.some(({ launch }) => launch !== true);
}

/** What another tool says is taken at every strictness: somebody has given it as what is to be allowed. */
function isTaken({ call, runs, imported, possible }: Evidence, strict: Strictness): boolean {
  if (runs.size > 0 || imported) return true;
  if (possible.size === 0 || strict === 'observed') return false;
  return strict === 'sound' || !isDangerous(call.name);
}

function describeBeyond(labels: readonly string[]): string {
  const list = labels.slice(0, LISTED_NUMBERS).join(', ') + (labels.length > LISTED_NUMBERS ? ', ...' : '');
  const which = labels.length === 1 ? '1 number is' : `${labels.length} numbers are`;
  return `${which} left out, for no kernel has such calls and no filter can name them: ${list}`;
}

function requirePossible(profile: Profile, strict: Strictness): void {
  if (strict === 'observed') return;
  const calls = [...profile.programs, ...profile.processes].flatMap((each) => each.calls);
  const isAnalyzed = profile.runs.some(({ method }) => method === 'analyze');
  if (isAnalyzed || calls.some(({ origin }) => origin === 'possible')) return;
  throw new UsageError(
    `policy: strictness ${strict} needs to know what is possible, but no profile is from static analysis (give one beside the traces, or take observed)`,
  );
}

function countSites({ length }: readonly string[]): string {
  return `${length} ${length === 1 ? 'site' : 'sites'}`;
}

/** Places that could not be bounded, for people. */
function describeUnresolved(profile: Profile): string[] {
  return profile.programs.flatMap(({ analysis }) =>
    (analysis?.unresolved ?? []).map(({ kind, object, function: name, address, reason }) => {
      const place =
        address === 0
          ? object
          : `${name ?? baseName(object)}+0x${address.toString(16)} (${baseName(object)})`;
      return `${kind}: ${place}: ${reason}`;
    }),
  );
}

function archesOf(profile: Profile, calls: readonly Evidence[]): readonly Arch[] {
  if (calls.length === 0)
    throw new UsageError('policy: the profile holds no system calls, nothing would be allowed');
  const used = new Set(calls.map(({ call }) => call.arch));
  const machine = profile.runs[0]?.host.arch ?? '';
  const native = /^i[3-6]86$/.test(machine) ? 'i386' : ARCHES.find((arch) => arch === machine);
  return ARCHES.filter((arch) => used.has(arch)).sort((a, b) => Number(b === native) - Number(a === native));
}

function explicitlyMissing(arch: Arch): readonly PolicyCall[] {
  const call = identifyName(arch, 'clone3');
  if (call === null) return [];
  return [{ ...call, args: [], why: ['the C library then takes clone, whose flags a filter can see'] }];
}

function describeFailed(failed: number, runs: readonly Run[]): string {
  const whose = runs.length === 1 ? 'the workload' : `the workload of ${failed} of ${runs.length} runs`;
  return `${whose} failed or did not run: what the program was to be exercised with may be missing`;
}

function describeUnphased(profile: Profile, unphased: ReadonlySet<number>): string {
  return `${unphased.size} of ${profile.runs.length} runs have no phases: what they show is allowed in all phases`;
}
