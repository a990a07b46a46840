import type { Exporter } from './exporter.ts';
import { formatJson } from './json-text.ts';
import { kubernetesName } from './kubernetes-name.ts';
import { buildOciProfile, runtimeAdvice } from './oci-profile.ts';

/**
 * Profile for the `Localhost` type of Kubernetes: a file below the kubelet's seccomp directory, which pods name.
 *
 * Source: https://kubernetes.io/docs/tutorials/security/seccomp/ and the API's SeccompProfile of core/v1.
 */
export const KUBERNETES_LOCALHOST: Exporter = {
  name: 'k8s-localhost',
  description: 'Kubernetes: profile for the kubelet of each node, JSON; the lines for the pod go to stderr',
  fileName: 'seccomp.json',
  write: (selection) => {
    const { profile, losses } = buildOciProfile(selection);
    const name = kubernetesName(selection);
    return { content: formatJson(profile), losses, usage: `${runtimeAdvice(selection)}${podSnippet(name)}` };
  },
};

function podSnippet(name: string): string {
  return `# Put the profile on each node as /var/lib/kubelet/seccomp/profiles/${name}.json
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
spec:
  containers:
    - name: ${name}
      image: IMAGE
      securityContext:
        # Container level: at pod level the profile would hold for the pause container too.
        allowPrivilegeEscalation: false
        seccompProfile:
          type: Localhost
          localhostProfile: profiles/${name}.json
`;
}
