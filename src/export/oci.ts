import type { Exporter } from './exporter.ts';
import { formatJson } from './json-text.ts';
import { buildOciProfile, runtimeAdvice } from './oci-profile.ts';

/**
 * Profile for OCI runtimes: `docker run --security-opt seccomp=FILE`, the same for podman, or `linux.seccomp` of a
 * runtime's config.json.
 */
export const OCI: Exporter = {
  name: 'oci',
  description: 'Docker, Podman and OCI runtimes: seccomp profile, JSON',
  fileName: 'seccomp.json',
  write: (selection) => {
    const { profile, losses } = buildOciProfile(selection);
    return { content: formatJson(profile), losses, usage: runtimeAdvice(selection) };
  },
};
