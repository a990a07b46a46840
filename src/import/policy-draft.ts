import type { Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { compareLabels, identify, type CallIdentity } from '../policy/call-label.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { POLICY_FORMAT, POLICY_VERSION, type Policy, type PolicyCall } from '../policy/model.ts';
import { uniteAlternatives } from './alternatives.ts';
import type { Imported } from './importer.ts';
import { Remarks } from './remarks.ts';

/** What a foreign filter does with the calls of one arch. */
export interface ArchDraft {
  readonly arch: Arch;
  /** Number to the ways in which it is allowed; an empty conjunction is any arguments. */
  readonly allowed: Map<number, (readonly Condition[])[]>;
  /** Numbers that fail with ENOSYS. */
  readonly enosys: Set<number>;
  /** Calls above fail with ENOSYS. */
  readonly newest: number;
}

/** An arch with nothing allowed yet; `newest` is the highest number that has a name unless given. */
export function draftArch(arch: Arch, newest: number = syscalls(arch).at(-1)!.nr): ArchDraft {
  return { arch, allowed: new Map(), enosys: new Set(), newest };
}

/** Adds a way in which a call is allowed. */
export function allowCall(draft: ArchDraft, nr: number, conditions: readonly Condition[] = []): void {
  const ways = draft.allowed.get(nr);
  if (ways === undefined) draft.allowed.set(nr, [conditions]);
  else ways.push(conditions);
}

/** Allows every call that has a name, as filters do that list what they deny. */
export function allowAll(draft: ArchDraft): void {
  for (const { nr, since } of syscalls(draft.arch)) if (since !== null) allowCall(draft, nr);
}

/**
 * The policy that a foreign filter amounts to: one phase, no programs.
 *
 * @throws FormatError if no arch is left
 */
export function finishPolicy(
  drafts: readonly ArchDraft[],
  options: { readonly onViolation: string; readonly why: string; readonly source: string },
  remarks: Remarks,
): Imported {
  if (drafts.length === 0) throw new FormatError(`${options.source}: no arch that callgate knows`);
  const arches = drafts.map(({ arch }) => arch);
  const order = (a: CallIdentity, b: CallIdentity): number => compareLabels(a, b, arches);
  const calls = drafts.flatMap(({ arch, allowed }) =>
    [...allowed].map(([nr, ways]): PolicyCall => {
      const call = identify(arch, nr);
      const { args, isExact } = uniteAlternatives(call, ways);
      if (!isExact)
        remarks.add(
          'argument rules cannot be carried over as they are, the policy is looser',
          call.name ?? `${nr}`,
        );
      return { ...call, args, why: [options.why] };
    }),
  );
  const enosys = drafts.flatMap(({ arch, allowed, enosys: numbers }) =>
    [...numbers]
      .filter((nr) => !allowed.has(nr))
      .map((nr): PolicyCall => ({ ...identify(arch, nr), args: [], why: [options.why] })),
  );
  const policy: Policy = {
    format: POLICY_FORMAT,
    version: POLICY_VERSION,
    generator: { name: 'callgate', version: VERSION },
    sources: [],
    strict: 'observed',
    kernels: null,
    onViolation: options.onViolation,
    arches: drafts.map(({ arch, newest }) => ({ arch, newest })),
    enosys: enosys.sort(order),
    groups: [],
    phases: [{ name: 'setup', trigger: null, calls: calls.sort(order), programs: [] }],
  };
  return { kind: 'policy', policy, remarks: remarks.list() };
}

/** Where an entry comes from, as `why` wants it: printable, on one line, without `; `. */
export function importedFrom(source: string, format: string): string {
  const name = source.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?').replaceAll('; ', ', ');
  return `imported from ${name} (${format})`;
}
