import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { errnoName } from '../abi/errno.ts';
import { FormatError } from '../base/errors.ts';
import { OCI_ARCH } from '../export/oci-profile.ts';
import { ENOSYS } from '../policy/filter/action.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { failUnasked, failWith } from './denial.ts';
import type { Importer, ImportInput } from './importer.ts';
import { readOciConditions } from './oci-conditions.ts';
import {
  allowAll,
  allowCall,
  draftArch,
  finishPolicy,
  importedFrom,
  type ArchDraft,
} from './policy-draft.ts';
import { Remarks } from './remarks.ts';
import { decodeText, parseJson, quoteText } from './text-input.ts';

/**
 * Seccomp profiles of OCI runtimes, Docker and Podman, deny lists such as Confine's among them.
 *
 * Docker's conditions on entries are taken as for a container with its default capabilities removed: entries for a
 * capability are left out, entries for a minimum kernel are taken.
 */
export const OCI_IMPORTER: Importer = {
  name: 'oci',
  description: 'seccomp profile of Docker, Podman and OCI runtimes, Confine (policy)',
  recognises: (_, text) => /^\s*\{/.test(text) && text.includes('"defaultAction"'),
  read: (input) => {
    const document = readObject(parseJson(decodeText(input.bytes), input.source), input.source);
    const remarks = new Remarks();
    const why = importedFrom(input.source, 'oci');
    const fallback = actionOf(document, 'defaultAction', 'defaultErrnoRet', input.source, remarks);
    if (fallback.isAsked === true) failUnasked(remarks);
    const drafts = listArches(document, input, remarks).map((arch) => draftArch(arch));
    if (fallback.kind === 'allow') {
      remarks.add('the profile lists what it denies: every call that has a name is allowed but for these');
      for (const draft of drafts) allowAll(draft);
    }
    const denials = new Set<string>();
    for (const [index, entry] of listOf(document, 'syscalls', input.source).entries()) {
      readEntry(
        readObject(entry, `${input.source}: syscalls ${index}`),
        fallback,
        drafts,
        denials,
        remarks,
        input.source,
      );
    }
    if (document['listenerPath'] !== undefined) remarks.add('the listener is left out');
    const onViolation = fallback.kind === 'allow' ? ([...denials][0] ?? 'errno:EPERM') : fallback.kind;
    if (denials.size > 1)
      remarks.add('denied calls end in different ways, the policy has one', [...denials].join(', '));
    return finishPolicy(drafts, { onViolation, why, source: input.source }, remarks);
  },
};

/** An action in the words of a policy; `allow` and `enosys` beside what `onViolation` may be. */
interface OciAction {
  readonly kind: string;
  /** Somebody who is not there is asked, and may allow the call. */
  readonly isAsked?: boolean;
}

function readEntry(
  entry: Readonly<Record<string, unknown>>,
  fallback: OciAction,
  drafts: readonly ArchDraft[],
  denials: Set<string>,
  remarks: Remarks,
  source: string,
): void {
  // Profiles of old releases of Docker have one name to an entry.
  const names = [
    ...listOf(entry, 'names', source),
    ...(entry['name'] === undefined ? [] : [entry['name']]),
  ].map(String);
  const action = actionOf(entry, 'action', 'errnoRet', source, remarks);
  const alternatives = readOciConditions(listOf(entry, 'args', source), source);
  for (const draft of drafts) {
    if (!applies(entry, draft.arch, names, remarks, source)) continue;
    for (const name of names) {
      const nr = syscallNumber(draft.arch, name);
      if (nr === null) {
        if (drafts.every(({ arch }) => syscallNumber(arch, name) === null))
          remarks.add('names that callgate does not know are left out', quoteText(name));
      } else {
        const conditions = alternatives.map((each) => (hasLowHalves(draft.arch) ? each.map(lowHalf) : each));
        decide(draft, nr, name, action, conditions, fallback, denials, remarks);
      }
    }
  }
}

function decide(
  draft: ArchDraft,
  nr: number,
  name: string,
  action: OciAction,
  alternatives: readonly (readonly Condition[])[],
  fallback: OciAction,
  denials: Set<string>,
  remarks: Remarks,
): void {
  const isAlways = alternatives.length === 0;
  if (action.kind === 'allow' || action.kind === 'log') {
    if (action.kind === 'log') remarks.add('calls that are logged are allowed without being logged', name);
    if (fallback.kind === 'allow') return;
    for (const conditions of isAlways ? [[]] : alternatives) allowCall(draft, nr, conditions);
    return;
  }
  if (!isAlways) {
    remarks.add('rules that deny by arguments are left out, these calls are treated as without them', name);
    return;
  }
  if (action.isAsked === true) failUnasked(remarks, name);
  if (fallback.kind === 'allow') draft.allowed.delete(nr);
  if (action.kind === `errno:${errnoName(ENOSYS)}`) draft.enosys.add(nr);
  else if (fallback.kind === 'allow') denials.add(action.kind);
  else if (action.kind !== fallback.kind)
    remarks.add(`calls end by ${fallback.kind} like all others that are denied`, name);
}

/** Arches that have 32 bits for libseccomp, which then compares the low half of an argument with that of the value. */
function hasLowHalves(arch: Arch): boolean {
  return arch === 'i386' || arch === 'x32';
}

function lowHalf({ arg, op, value, mask }: Condition): Condition {
  const low = BigInt.asUintN(32, value);
  return mask === undefined
    ? { arg, width: 32, op, value: low }
    : { arg, width: 32, op, value: low, mask: BigInt.asUintN(32, mask) };
}

/** Docker's `includes` and `excludes`. */
function applies(
  entry: Readonly<Record<string, unknown>>,
  arch: Arch,
  names: readonly string[],
  remarks: Remarks,
  source: string,
): boolean {
  const field = (of: unknown, name: string): readonly unknown[] =>
    typeof of === 'object' && of !== null ? listOf(of as Record<string, unknown>, name, source) : [];
  const { includes, excludes } = entry;
  // Names of GOARCH; amd64 stands for all arches of that kernel.
  const own =
    arch === 'aarch64'
      ? ['arm64']
      : ['amd64', ...(arch === 'i386' ? ['x86', '386'] : arch === 'x32' ? ['x32'] : [])];
  const isOwn = (name: unknown): boolean => own.includes(String(name));
  if (field(includes, 'arches').length > 0 && !field(includes, 'arches').some(isOwn)) return false;
  if (field(excludes, 'arches').some(isOwn)) return false;
  if (field(includes, 'caps').length > 0) {
    for (const name of names) remarks.add('entries for containers with more capabilities are left out', name);
    return false;
  }
  if (typeof includes === 'object' && includes !== null && 'minKernel' in includes) {
    for (const name of names) remarks.add('entries for newer kernels are taken', name);
  }
  return true;
}

function listArches(
  document: Readonly<Record<string, unknown>>,
  { arch: native, source }: ImportInput,
  remarks: Remarks,
): readonly Arch[] {
  const map = listOf(document, 'archMap', source).map((each) =>
    typeof each === 'object' && each !== null ? (each as Record<string, unknown>) : {},
  );
  const own = map.find(({ architecture }) => architecture === OCI_ARCH[native]);
  const names =
    own === undefined
      ? [...listOf(document, 'architectures', source), ...map.map(({ architecture }) => architecture)]
      : [own['architecture'], ...listOf(own, 'subArchitectures', source)];
  if (names.length === 0) return [native];
  const arches = names.flatMap((name) => {
    const arch =
      ARCHES.find((each) => OCI_ARCH[each] === name) ?? (name === 'SCMP_ARCH_NATIVE' ? native : undefined);
    if (arch === undefined) remarks.add('arches that callgate does not know are left out', String(name));
    return arch ?? [];
  });
  return [...new Set(arches)].sort((a, b) => Number(b === native) - Number(a === native));
}

function actionOf(
  object: Readonly<Record<string, unknown>>,
  field: string,
  errnoField: string,
  source: string,
  remarks: Remarks,
): OciAction {
  switch (object[field]) {
    case 'SCMP_ACT_ALLOW':
      return { kind: 'allow' };
    case 'SCMP_ACT_LOG':
      return { kind: 'log' };
    case 'SCMP_ACT_TRAP':
      return { kind: 'trap' };
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
    case 'SCMP_ACT_KILL_PROCESS':
      return { kind: 'kill' };
    case 'SCMP_ACT_TRACE':
    case 'SCMP_ACT_NOTIFY':
      return { kind: 'errno:ENOSYS', isAsked: true };
    case 'SCMP_ACT_ERRNO':
      return { kind: failWith(object[errnoField] ?? 1, remarks) };
    default:
      throw new FormatError(`${source}: unknown action, ${quoteText(String(object[field]))} (SCMP_ACT_*)`, {
        value: object[field],
      });
  }
}

function readObject(value: unknown, source: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new FormatError(`${source}: not an object`, { value });
}

/** A field that is a list or not there. */
function listOf(
  object: Readonly<Record<string, unknown>>,
  field: string,
  source: string,
): readonly unknown[] {
  const value = object[field] ?? [];
  if (Array.isArray(value)) return value as unknown[];
  throw new FormatError(
    `${source}: ${field} is no list, ${quoteText(JSON.stringify(value, writeBigint) ?? '')}`,
    { value },
  );
}

function writeBigint(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
