import type { Policy, PolicyCall } from '../../policy/model.ts';
import { parsePolicy } from '../../policy/load.ts';
import { formatPolicyYaml } from '../../policy/save.ts';
import { parseProfile } from '../../profile/load.ts';
import type { Profile } from '../../profile/model.ts';
import { formatProfile } from '../../profile/save.ts';
import { findImporter } from '../importers.ts';
import type { ImportInput } from '../importer.ts';

/** Something to read, on x86-64. */
export function inputOf(content: string | Uint8Array, fields: Partial<ImportInput> = {}): ImportInput {
  return {
    bytes: typeof content === 'string' ? new TextEncoder().encode(content) : content,
    source: 'file',
    arch: 'x86_64',
    written: '2026-01-02T03:04:05.678Z',
    program: null,
    ...fields,
  };
}

/** Imports a policy, and sees to it that it can be saved and loaded. */
export function readPolicy(
  format: string,
  content: string | Uint8Array,
  fields: Partial<ImportInput> = {},
): { readonly policy: Policy; readonly remarks: readonly string[] } {
  const imported = findImporter(format).read(inputOf(content, fields));
  if (imported.kind !== 'policy') throw new TypeError(`${format} gave a ${imported.kind}`);
  parsePolicy(formatPolicyYaml(imported.policy));
  return imported;
}

/** Imports a profile, and sees to it that it can be saved and loaded. */
export function readProfile(
  format: string,
  content: string | Uint8Array,
  fields: Partial<ImportInput> = {},
): { readonly profile: Profile; readonly remarks: readonly string[] } {
  const imported = findImporter(format).read(inputOf(content, fields));
  if (imported.kind !== 'profile') throw new TypeError(`${format} gave a ${imported.kind}`);
  parseProfile(formatProfile(imported.profile));
  return imported;
}

/** Names of calls of a policy's only set, `arch:name` for other arches than x86-64, with their argument rules. */
export function describeCalls(calls: readonly PolicyCall[]): readonly string[] {
  return calls.map(({ arch, nr, name, args }) => {
    const label = `${arch === 'x86_64' ? '' : `${arch}:`}${name ?? nr}`;
    const rules = args.map(
      ({ index, width, values, free }) =>
        `${index}/${width}=${values.map((value) => `0x${value.toString(16)}`).join('|')}${free === 0n ? '' : `~0x${free.toString(16)}`}`,
    );
    return [label, ...rules].join(' ');
  });
}
