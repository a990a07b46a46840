import type { Arch } from '../../abi/arch.ts';
import { UsageError } from '../../base/errors.ts';
import { VERSION } from '../../base/version.ts';
import { formatConstant } from '../../policy/argument-constants.ts';
import { buildPolicy } from '../../policy/build.ts';
import { diffPolicies, type PolicyChange } from '../../policy/diff.ts';
import type { Policy, PolicyArgument, PolicyCall } from '../../policy/model.ts';
import { findSuspects, type ProgramSuspects, type Suspect } from '../../compare/suspects.ts';
import { measureCompleteness, type Completeness } from '../../profile/completeness.ts';
import { mergeProfiles } from '../../profile/merge.ts';
import type { Profile } from '../../profile/model.ts';
import { uncut, type Split } from '../../profile/recut.ts';
import { splitTable } from '../../profile/split-table.ts';
import { packProfile, type PackedProfile } from './packed-profile.ts';

/** A document that a report is about; `label` names it, such as its file. */
export type ReportInput =
  | { readonly kind: 'profile'; readonly label: string; readonly profile: Profile }
  | { readonly kind: 'policy'; readonly label: string; readonly policy: Policy };

/** What is embedded into the page: all that it shows. */
export interface PageData {
  /** Version of callgate that wrote the page. */
  readonly version: string;
  readonly documents: readonly PageDocument[];
  readonly diff: PageDiff | null;
  /** Of all runs of all profiles together; null if there is no profile, or if it is not known yet. */
  readonly completeness: Completeness | null;
  /** What code may do and no run did; what code was not read of says nothing. */
  readonly suspects: readonly PageSuspects[];
  /** Whether the page is served while a trace goes on, and listens for changes. */
  readonly live: boolean;
}

/** What the code of a program may do and no run did, most suspicious first. */
export interface PageSuspects extends Pick<ProgramSuspects, 'path' | 'runs' | 'confirmed'> {
  readonly suspects: readonly Omit<Suspect, 'chain'>[];
}

export type PageDocument =
  | {
      readonly kind: 'profile';
      readonly label: string;
      readonly profile: PackedProfile;
      readonly splits: readonly PackedSplit[];
    }
  | { readonly kind: 'policy'; readonly label: string; readonly policy: PagePolicy };

/** A way to cut a profile, as `callgate phases` lists them; the proposal has the source `auto`. */
export interface PackedSplit extends Omit<Split, 'times'> {
  readonly times: readonly (readonly [process: number, at: number])[];
}

/** A policy without big integers: arguments are in words. */
export interface PagePolicy extends Pick<Policy, 'strict' | 'onViolation' | 'arches' | 'groups'> {
  readonly phases: readonly {
    readonly name: string;
    readonly trigger: string | null;
    readonly calls: readonly PagePolicyCall[];
    readonly programs: readonly { readonly path: string; readonly calls: readonly PagePolicyCall[] }[];
  }[];
}

export interface PagePolicyCall {
  readonly arch: Arch;
  readonly nr: number;
  readonly name: string | null;
  /** Conditions, all of which must hold: `domain is AF_UNIX`. */
  readonly args: readonly string[];
  readonly why: readonly string[];
}

/** What the second of two policies opens and closes, or why they could not be compared. */
export interface PageDiff {
  readonly before: string;
  readonly after: string;
  /** Whether the policies were made for this from two profiles. */
  readonly made: boolean;
  readonly changes: readonly PolicyChange[];
  readonly problem: string | null;
}

/** Gathers what a page about these documents shows; they are compared if two are policies, or else two are profiles. */
export function toPageData(inputs: readonly ReportInput[], live = false): PageData {
  const union = live ? null : unionOf(inputs);
  return {
    version: VERSION,
    documents: inputs.map((input) =>
      input.kind === 'profile'
        ? toPageProfile(input.label, input.profile)
        : { kind: 'policy', label: input.label, policy: toPagePolicy(input.policy) },
    ),
    diff: live ? null : diffOf(inputs),
    completeness: union === null ? null : measureCompleteness(union),
    suspects: union === null ? [] : suspectsOf(union),
    live,
  };
}

/** A profile as the page has it, with the ways to cut it. */
export function toPageProfile(label: string, profile: Profile): PageDocument {
  const splits = splitTable(profile).map(({ split }) => ({ ...split, times: [...split.times] }));
  return { kind: 'profile', label, profile: packProfile(profile), splits };
}

function toPagePolicy({ strict, onViolation, arches, groups, phases }: Policy): PagePolicy {
  return {
    strict,
    onViolation,
    arches,
    groups,
    phases: phases.map(({ name, trigger, calls, programs }) => ({
      name,
      trigger,
      calls: calls.map(toPageCall),
      programs: programs.map((program) => ({ path: program.path, calls: program.calls.map(toPageCall) })),
    })),
  };
}

function toPageCall(call: PolicyCall): PagePolicyCall {
  const { arch, nr, name, args, why } = call;
  return { arch, nr, name, why, args: args.map((argument) => describeCondition(call, argument)) };
}

function describeCondition(call: PolicyCall, argument: PolicyArgument): string {
  const { index, name, values, free } = argument;
  const words = values.map((value) => formatConstant(call, argument, value)).join(', ');
  const bits = free === 0n ? '' : `, with any of ${formatConstant(call, argument, free)}`;
  return `${name ?? `argument ${index}`} is ${words}${bits}`;
}

function diffOf(inputs: readonly ReportInput[]): PageDiff | null {
  const policies = inputs.filter((input) => input.kind === 'policy');
  const profiles = inputs.filter((input) => input.kind === 'profile');
  const isMade = policies.length !== 2;
  const [before, after] = isMade ? profiles : policies;
  if (before === undefined || after === undefined || (isMade && profiles.length !== 2)) return null;
  const labels = { before: before.label, after: after.label, made: isMade };
  try {
    return { ...labels, changes: diffPolicies(policyOf(before), policyOf(after)), problem: null };
  } catch (error) {
    // Nothing can be allowed by an empty profile: that is a finding and no failure of the report.
    if (error instanceof UsageError) return { ...labels, changes: [], problem: error.message };
    throw error;
  }
}

/** All profiles as one; null if there is none. */
function unionOf(inputs: readonly ReportInput[]): Profile | null {
  const profiles = inputs.flatMap((input) => (input.kind === 'profile' ? [input.profile] : []));
  const [only] = profiles;
  // Their phases may be in orders that contradict each other, and nothing that is made of the union asks for them.
  return only === undefined || profiles.length === 1 ? (only ?? null) : mergeProfiles(profiles.map(uncut));
}

function suspectsOf(profile: Profile): readonly PageSuspects[] {
  return findSuspects(profile).map(({ path, runs, confirmed, suspects }) => ({
    path,
    runs,
    confirmed,
    // Chains are with the calls themselves.
    suspects: suspects.map(({ chain: _chain, ...suspect }) => suspect),
  }));
}

function policyOf(input: ReportInput): Policy {
  if (input.kind === 'policy') return input.policy;
  const { profile } = input;
  const calls = [...profile.programs, ...profile.processes].flatMap((owner) => owner.calls);
  // Of code that was only read, a policy can allow nothing but what is possible.
  const isRead = calls.length > 0 && calls.every(({ origin }) => origin === 'possible');
  return buildPolicy([profile], isRead ? { strict: 'sound', unresolved: 'accept' } : {}).policy;
}
