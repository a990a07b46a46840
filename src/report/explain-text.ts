import { basename } from 'node:path';
import { formatCount } from '../base/count.ts';
import { formatDuration } from '../base/duration.ts';
import type { ArgumentValues, Call, ChainStep, Profile } from '../profile/model.ts';
import { findPrograms, isNamed } from '../profile/program-names.ts';
import type { CallIdentity } from '../policy/call-label.ts';
import type { Policy, PolicyArgument, PolicyCall } from '../policy/model.ts';
import { formatArgument } from '../policy/save.ts';
import { argumentWords } from './argument-text.ts';
import { escapeText } from './escape.ts';

/** Which uses of a call are meant. */
export interface ExplainFilter {
  readonly arch: string;
  readonly nr: number;
  /** Name of a phase. */
  readonly phase?: string;
  /** Path of a program, or its last part; of a profile also the name under which it was started. */
  readonly program?: string;
  /** All chains and processes; default the first chain and the first process of each program. */
  readonly all?: boolean;
}

/** A step of a chain, with what is known of it besides the document. */
export interface ExplainedStep extends ChainStep {
  /** The function as its source names it, where that is another name. */
  readonly title?: string;
  /** `FILE:LINE` of the first instruction of the function, or of the site. */
  readonly source?: string;
}

export interface ExplainedChain {
  /** Index into the phases of the profile. */
  readonly phase: number;
  readonly steps: readonly ExplainedStep[];
}

/** How one call is known to a document: one entry for each program, process or set. */
export interface Explanation {
  /** `failing`: a policy gives it ENOSYS where it does not allow it. */
  readonly kind: 'possible' | 'observed' | 'imported' | 'allowed' | 'failing';
  /** Path of the program; null for the set of a tree, or where it is not known. */
  readonly program: string | null;
  readonly phases: readonly string[];
  /** Times in nanoseconds since the start of the run. */
  readonly first: number | null;
  readonly last: number | null;
  readonly count: number | null;
  readonly pid: number | null;
  readonly args: readonly ArgumentValues[];
  readonly chains: readonly ExplainedChain[];
  /** Rules of a policy; an argument without one may be anything. */
  readonly rules: readonly PolicyArgument[];
  /** Comments of a policy. */
  readonly why: readonly string[];
}

/** What a profile knows of a call, the earliest use first; empty if it does not have it. */
export function explainInProfile(profile: Profile, filter: ExplainFilter): Explanation[] {
  const phase =
    filter.phase === undefined ? null : profile.phases.findIndex(({ name }) => name === filter.phase);
  const names = (call: Call): string[] =>
    call.phases.map((index) => profile.phases[index]?.name ?? String(index));
  const fits = (call: Call): boolean =>
    call.arch === filter.arch && call.nr === filter.nr && (phase === null || call.phases.includes(phase));
  const programs = filter.program === undefined ? null : findPrograms(profile, filter.program);
  const isWanted = (index: number | null): boolean =>
    programs === null || (index !== null && programs.has(index));
  const possible = profile.programs.flatMap(({ path, calls }, index) =>
    isWanted(index) ? calls.filter(fits).map((call) => entryOf(call, path, null, names(call), phase)) : [],
  );
  const observed = profile.processes.flatMap(({ program, pid, calls }) => {
    const path = program === null ? null : (profile.programs[program]?.path ?? null);
    return isWanted(program)
      ? calls.filter(fits).map((call) => entryOf(call, path, pid, names(call), phase))
      : [];
  });
  observed.sort((a, b) => (a.first ?? Infinity) - (b.first ?? Infinity));
  return [...observed, ...possible];
}

/** Where a policy allows a call, with which arguments and why, and where it makes it fail with ENOSYS. */
export function explainInPolicy(policy: Policy, filter: ExplainFilter): Explanation[] {
  const isMeant = ({ arch, nr }: PolicyCall): boolean => arch === filter.arch && nr === filter.nr;
  const sets = policy.phases
    .filter(({ name }) => filter.phase === undefined || name === filter.phase)
    .flatMap(({ name, calls, programs }) =>
      [{ path: null, calls }, ...programs]
        .filter(
          ({ path }) => filter.program === undefined || (path !== null && isNamed(path, filter.program)),
        )
        .map((set) => ({ phase: name, program: set.path, call: set.calls.find(isMeant) })),
    );
  const allowed = sets.flatMap(({ phase, program, call }) =>
    call === undefined ? [] : [allowedEntry(call, phase, program)],
  );
  // Nothing fails in a rehearsal.
  const failing = policy.onViolation === 'log' ? undefined : failingIn(policy, filter);
  const denied = failing === undefined ? [] : sets.filter(({ call }) => call === undefined);
  const programs = [...new Set(denied.map(({ program }) => program))];
  return [
    ...allowed,
    ...programs.map((program): Explanation => ({
      ...NOTHING,
      kind: 'failing',
      program,
      phases: denied.filter((set) => set.program === program).map(({ phase }) => phase),
      why: failing ?? [],
    })),
  ];
}

/** Why a call that no set allows fails with ENOSYS; undefined if it does not. */
function failingIn({ arches, enosys }: Policy, { arch, nr }: ExplainFilter): readonly string[] | undefined {
  const listed = enosys.find((call) => call.arch === arch && call.nr === nr);
  if (listed !== undefined) return listed.why;
  const newest = arches.find((each) => each.arch === arch)?.newest ?? nr;
  return nr > newest ? [`newer than what the policy knows, which is up to ${newest}`] : undefined;
}

function allowedEntry(call: PolicyCall, phase: string, program: string | null): Explanation {
  return { ...NOTHING, kind: 'allowed', program, phases: [phase], rules: call.args, why: call.why };
}

/** For people; `label` is the call as they write it. */
export function formatExplanations(
  label: string,
  call: CallIdentity,
  found: readonly Explanation[],
  all: boolean,
): string {
  const lines: string[] = [];
  const seen = new Set<string | null>();
  let left = 0;
  for (const each of found) {
    if (each.kind === 'observed' && !all && seen.has(each.program)) {
      left++;
      continue;
    }
    if (each.kind === 'observed') seen.add(each.program);
    lines.push(`${label}: ${headOf(each)}`);
    for (const argument of each.args)
      lines.push(`  ${argument.name}: ${argumentWords(call, argument).join(', ')}`);
    for (const rule of each.rules) lines.push(`  ${formatArgument(call, rule)}`);
    for (const why of each.why) lines.push(`  ${why}`);
    for (const chain of all ? each.chains : each.chains.slice(0, 1)) lines.push(...chain.steps.map(stepText));
    if (each.kind === 'possible' && each.chains.length === 0)
      lines.push('  no site has it: the kernel makes the program call it');
  }
  if (left > 0) lines.push(`(${left} more ${left === 1 ? 'process' : 'processes'} made it: --all)`);
  return lines.map((line) => `${escapeText(line)}\n`).join('');
}

const NOTHING = {
  first: null,
  last: null,
  count: null,
  pid: null,
  args: [],
  rules: [],
  chains: [],
  why: [],
} as const;

function entryOf(
  { origin, first, last, count, args, chains }: Call,
  program: string | null,
  pid: number | null,
  phases: readonly string[],
  phase: number | null,
): Explanation {
  const own = (chains ?? []).filter((chain) => phase === null || chain.phase === phase);
  return {
    ...NOTHING,
    kind: origin,
    program,
    phases,
    first,
    last,
    count,
    pid,
    args: args ?? [],
    chains: own,
  };
}

function headOf({ kind, program, phases, first, count, pid }: Explanation): string {
  const where = program === null ? 'the whole tree' : program;
  const when = `in phase ${phases.join(', ')}`;
  if (kind === 'allowed') return `allowed to ${where} ${when}`;
  if (kind === 'failing') return `fails with ENOSYS for ${where} ${when}`;
  if (kind === 'possible') return `possible in ${where}, ${when}`;
  const who = `${where}${pid === null ? '' : ` (pid ${pid})`}`;
  const often = count === null ? '' : `, ${count === 1 ? 'once' : `${formatCount(count)} times`}`;
  return `${kind} in ${who}, ${when}${first === null ? '' : `, first after ${formatDuration(first)}`}${often}`;
}

const ARROWS: Readonly<Record<ChainStep['how'], string>> = {
  root: 'root',
  call: 'calls',
  jump: 'jumps to',
  import: 'calls',
  pointer: 'calls by pointer',
  taken: 'may call',
  site: 'system call in',
};

function stepText({ object, function: mangled, address, how, note, title, source }: ExplainedStep): string {
  const name = title ?? mangled;
  const place = `${name ?? basename(object)}${how === 'site' || name === null ? `+0x${address.toString(16)}` : ''}`;
  const at =
    name === null ? '' : ` (${basename(object)}${how === 'site' ? '' : ` 0x${address.toString(16)}`})`;
  const because = note === undefined ? '' : how === 'root' ? `: ${note}` : `, assumed: ${note}`;
  const text =
    how === 'site' && name !== null
      ? `${name} (${basename(object)} 0x${address.toString(16)})`
      : `${place}${at}`;
  const where = source === undefined ? '' : ` at ${source}`;
  return `  ${ARROWS[how].padEnd(16)} ${text}${where}${because}`;
}
