import type { Profile } from '../profile/model.ts';
import type { PolicySource } from './model.ts';

/** The runs of a profile, those that differ in nothing but time as one. */
export function summariseSources(profile: Profile): readonly PolicySource[] {
  const sources = new Map<string, PolicySource>();
  for (const { method, command, complete, host } of profile.runs) {
    const { kernel, arch, libc } = host;
    const key = JSON.stringify([method, command, kernel, arch, libc]);
    const known = sources.get(key);
    sources.set(key, {
      method,
      command: [...command],
      runs: (known?.runs ?? 0) + 1,
      complete: complete && known?.complete !== false,
      host: { kernel, arch, libc },
    });
  }
  return [...sources.values()];
}
