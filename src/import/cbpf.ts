import { syscallName, syscalls } from '../abi/syscalls.ts';
import { ENOSYS, formatAction, type Action } from '../policy/filter/action.ts';
import { decodeProgram } from '../policy/filter/cbpf.ts';
import { MAX_NR, type Condition } from '../policy/filter/ir.ts';
import {
  summarizeProgram,
  type ArchSummary,
  type ConditionalAction,
  type Outcome,
  type ProgramSummary,
} from '../policy/filter/summarize.ts';
import { validateProgram } from '../policy/filter/validate.ts';
import type { Importer } from './importer.ts';
import { failUnasked, failWith } from './denial.ts';
import { allowCall, draftArch, finishPolicy, importedFrom, type ArchDraft } from './policy-draft.ts';
import { negate } from './negation.ts';
import { Remarks } from './remarks.ts';

/** Numbers without a name that one range may add. */
const UNNAMED_CAP = 64;

/** Compiled filters: arrays of struct sock_filter, whoever compiled them. */
export const CBPF_IMPORTER: Importer = {
  name: 'cbpf',
  description: 'raw cBPF program, found out by running it (policy)',
  recognises: (bytes) =>
    bytes.length > 0 && bytes.length % 8 === 0 && validateProgram(decodeProgram(bytes)).length === 0,
  read: (input) => {
    const remarks = new Remarks();
    const summary = summarizeProgram(decodeProgram(input.bytes));
    const arches = summary.arches
      .filter((arch) => isLookedAt(arch, summary))
      .sort((a, b) => Number(b.arch === input.arch) - Number(a.arch === input.arch));
    const denial = commonDenial(arches);
    const drafts = arches.map((arch) => draftOf(arch, denial, remarks));
    return finishPolicy(
      drafts,
      {
        onViolation: violationOf(denial, remarks),
        why: importedFrom(input.source, 'cbpf'),
        source: input.source,
      },
      remarks,
    );
  },
};

/** Whether any call of the arch gets another answer than those of an arch that the program does not mention. */
function isLookedAt({ ranges }: ArchSummary, { mismatch }: ProgramSummary): boolean {
  return ranges.some(
    ({ outcome }) =>
      mayAllow(outcome) || (mismatch.kind === 'action' && !isSame(outcome, mismatch) && !isKill(outcome)),
  );
}

function draftOf(summary: ArchSummary, denial: Action, remarks: Remarks): ArchDraft {
  const { arch, ranges } = summary;
  const highest = syscalls(arch).at(-1)!.nr;
  const last = ranges.at(-1);
  const draft = draftArch(arch, newestOf(summary, highest));
  if (last !== undefined && mayAllow(last.outcome)) {
    remarks.add(
      `numbers that have no name yet are allowed too, the policy denies them`,
      `${arch} above ${highest}`,
    );
  }
  for (const { first, last: end, outcome } of ranges) {
    const isShort = end - first < UNNAMED_CAP;
    for (let nr = first; nr <= Math.min(end, isShort ? MAX_NR : highest); nr++) {
      if (!isShort && syscallName(arch, nr) === null) continue;
      decide(draft, nr, outcome, denial, remarks);
    }
  }
  return draft;
}

/**
 * The number above which everything that is not listed fails with ENOSYS: the last that is denied in the usual way, or
 * the last in a row of allowed ones that follows it. A filter that lists what it denies has no such number: it is the
 * highest that has a name.
 */
function newestOf({ ranges }: ArchSummary, highest: number): number {
  const at = ranges.findLastIndex(
    ({ outcome }) => outcome.kind === 'action' && !isAllow(outcome.action) && !isEnosys(outcome.action),
  );
  if (at < 0) return highest;
  const denied = Math.min(ranges[at]!.last, MAX_NR);
  const rest = ranges.slice(at + 1);
  const end = rest.findIndex(({ outcome }) => !mayAllow(outcome));
  const row = end < 0 ? rest : rest.slice(0, end);
  return Math.max(denied, Math.min(row.at(-1)?.last ?? denied, highest));
}

function decide(draft: ArchDraft, nr: number, outcome: Outcome, denial: Action, remarks: Remarks): void {
  const name = syscallName(draft.arch, nr) ?? `${draft.arch}:${nr}`;
  if (outcome.kind === 'depends') {
    const { rules, actions } = outcome;
    if (!actions.some(isAllow) && !outcome.computed) {
      remarks.add('calls are denied in one of several ways, the policy has one', name);
      return;
    }
    const ways = rules === null ? null : waysThrough(rules);
    if (ways === null) {
      remarks.add('argument rules cannot be carried over, the policy allows any arguments', name);
      allowCall(draft, nr);
    } else {
      for (const conditions of ways) if (isPossible(draft, conditions)) allowCall(draft, nr, conditions);
    }
    return;
  }
  const { action } = outcome;
  if (isAllow(action)) {
    if (action.kind === 'log' && denial.kind !== 'log')
      remarks.add('calls that are logged are allowed without being logged', name);
    if (action.kind !== 'log' || denial.kind !== 'log') allowCall(draft, nr);
  } else if (isEnosys(action)) {
    if (nr <= draft.newest && !isEnosys(denial)) draft.enosys.add(nr);
  } else if (formatAction(action) !== formatAction(denial)) {
    remarks.add(`calls end by ${formatAction(denial)} like all others that are denied`, name);
  }
}

/** False for what no register can hold: those of i386 have 32 bits. */
function isPossible({ arch }: ArchDraft, conditions: readonly Condition[]): boolean {
  return (
    arch !== 'i386' ||
    conditions.every(({ op, value }) => (op !== 'eq' && op !== 'masked_eq') || value >> 32n === 0n)
  );
}

/** The ways in which rules allow a call; null if they mix allowing and denying, or have too many. */
function waysThrough(rules: readonly ConditionalAction[]): readonly (readonly Condition[])[] | null {
  const [listed, rest] = [rules.slice(0, -1), rules.at(-1)];
  if (rest === undefined || listed.some(({ action }) => isAllow(action) === isAllow(rest.action)))
    return null;
  const conjunctions = listed.map(({ conditions }) => conditions);
  return isAllow(rest.action) ? negate(conjunctions) : conjunctions;
}

/** What the program does most often with a call that it denies; ENOSYS only if it does nothing else. */
function commonDenial(arches: readonly ArchSummary[]): Action {
  const counts = new Map<string, { readonly action: Action; count: number }>();
  for (const { arch, ranges } of arches) {
    for (const { nr } of syscalls(arch)) {
      const outcome = ranges.find(({ first, last }) => nr >= first && nr <= last)?.outcome;
      if (outcome?.kind !== 'action' || outcome.action.kind === 'allow') continue;
      const key = formatAction(outcome.action);
      const known = counts.get(key);
      if (known === undefined)
        counts.set(key, { action: outcome.action, count: isEnosys(outcome.action) ? 0 : 1 });
      else if (!isEnosys(outcome.action)) known.count++;
    }
  }
  const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
  return most?.action ?? { kind: 'errno', errno: 1 };
}

function violationOf(action: Action, remarks: Remarks): string {
  switch (action.kind) {
    case 'errno':
      return failWith(action.errno, remarks);
    case 'trap':
    case 'log':
      return action.kind;
    case 'trace':
    case 'user_notif':
      return failUnasked(remarks);
    case 'kill_process':
    case 'kill_thread':
    case 'allow':
      return 'kill';
  }
}

function mayAllow(outcome: Outcome): boolean {
  return outcome.kind === 'action'
    ? isAllow(outcome.action)
    : outcome.computed || outcome.actions.some(isAllow);
}

function isAllow({ kind }: Action): boolean {
  return kind === 'allow' || kind === 'log';
}

function isEnosys(action: Action): boolean {
  return action.kind === 'errno' && action.errno === ENOSYS;
}

function isKill(outcome: Outcome): boolean {
  return (
    outcome.kind === 'action' &&
    (outcome.action.kind === 'kill_process' || outcome.action.kind === 'kill_thread')
  );
}

function isSame(a: Outcome, b: Outcome): boolean {
  return a.kind === 'action' && b.kind === 'action' && formatAction(a.action) === formatAction(b.action);
}
