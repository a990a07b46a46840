import type { Selection } from './selection.ts';
import { baseName } from '../base/base-name.ts';

/**
 * A name for the export as Kubernetes takes one for objects (RFC 1123 label, 63 characters): from the program, or the
 * first command that the policy was made from.
 */
export function kubernetesName({ policy, phase, program }: Selection): string {
  const path = program?.path ?? policy.sources[0]?.command[0] ?? 'callgate';
  const parts = [baseName(path), ...(phase === policy.phases[0] ? [] : [phase.name])];
  const name = parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'callgate' : name;
}
