import { stringify } from 'yaml';
import type { Exporter, Loss } from './exporter.ts';
import { kubernetesName } from './kubernetes-name.ts';
import { buildOciProfile, runtimeAdvice, type OciArgument } from './oci-profile.ts';
import { describeSelection } from './selection.ts';

/** Largest value that the resource can hold: its fields are int64 and not negative. */
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;

const EPERM = 1;

/**
 * SeccompProfile of the Security Profiles Operator: a resource of the cluster from which the operator writes a profile
 * onto each node.
 *
 * Source: api/seccompprofile/v1beta1/seccompprofile_types.go of that project. There is no field for the errno of the
 * default action, and releases before `errnoRet` became a number wanted it in quotes.
 */
export const KUBERNETES_OPERATOR: Exporter = {
  name: 'k8s-spo',
  description: 'Kubernetes: SeccompProfile of the Security Profiles Operator, YAML',
  fileName: 'seccompprofile.yaml',
  write: (selection) => {
    const { profile, losses } = buildOciProfile(selection);
    const name = kubernetesName(selection);
    const { violation } = selection;
    const more: Loss[] = [];
    if (violation.kind === 'errno' && violation.errno !== EPERM) {
      more.push({
        kind: 'other',
        text: `the errno of denied calls cannot be expressed, it is EPERM and not ${violation.errno}`,
      });
    }
    if (profile.syscalls.some(({ args }) => args?.some(isTooLarge) === true)) {
      more.push({ kind: 'looser', text: 'bit 63 of arguments cannot be expressed, it is not looked at' });
    }
    const document = {
      apiVersion: 'security-profiles-operator.x-k8s.io/v1beta1',
      kind: 'SeccompProfile',
      metadata: { name },
      spec: {
        defaultAction: profile.defaultAction,
        architectures: profile.architectures,
        syscalls: profile.syscalls.map(({ names, action, errnoRet, args }) => ({
          names,
          action,
          ...(errnoRet === undefined ? {} : { errnoRet }),
          ...(args === undefined ? {} : { args: args.map(clampArgument) }),
        })),
      },
    };
    const head = describeSelection(selection).map((line) => `# ${line}\n`);
    return {
      content: `${head.join('')}${stringify(document, { lineWidth: 110 })}`,
      losses: [...losses, ...more],
      usage: `${runtimeAdvice(selection)}# In the pod, at container level:
securityContext:
  seccompProfile:
    type: Localhost
    localhostProfile: operator/${name}.json
`,
    };
  },
};

function isTooLarge({ value, valueTwo }: OciArgument): boolean {
  return value > INT64_MAX || (valueTwo ?? 0n) > INT64_MAX;
}

function clampArgument(argument: OciArgument): Record<string, unknown> {
  const { index, value, valueTwo, op } = argument;
  if (!isTooLarge(argument)) return { index, value, ...(valueTwo === undefined ? {} : { valueTwo }), op };
  const mask = (op === 'SCMP_CMP_EQ' ? INT64_MAX : value) & INT64_MAX;
  return {
    index,
    value: mask,
    valueTwo: (op === 'SCMP_CMP_EQ' ? value : (valueTwo ?? 0n)) & INT64_MAX,
    op: 'SCMP_CMP_MASKED_EQ',
  };
}
