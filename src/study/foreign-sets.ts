import { findImporter } from '../import/importers.ts';
import { callKey } from '../profile/call-union.ts';
import type { StudySet } from './ledger.ts';
import { setsOf } from './study-sets.ts';

/** What another tool's output says of a program, by the importer of that name. */
export function foreignSets(bytes: Uint8Array, importer: string, program: string): readonly StudySet[] {
  const imported = findImporter(importer).read({
    bytes,
    source: importer,
    arch: 'x86_64',
    written: new Date(0).toISOString(),
    program,
  });
  if (imported.kind === 'profile') return setsOf(imported.profile, program);
  const phases = imported.policy.phases.map(({ name, calls }) => ({
    phase: name,
    calls: calls.map(callKey),
  }));
  return [{ ...uniteSets([phases]), phase: null }, ...(phases.length > 1 ? phases : [])];
}

/** The union of the sets of several outputs, as one whole set. */
export function uniteSets(lists: readonly (readonly StudySet[])[]): StudySet {
  return { phase: null, calls: [...new Set(lists.flat().flatMap(({ calls }) => calls))] };
}
