import type { Arch } from '../abi/arch.ts';
import { createArgument } from './argument-rules.ts';
import { compareLabels } from './call-label.ts';
import type { Policy, PolicyArgument, PolicyCall } from './model.ts';

/**
 * The same policy in the one order that documents have: fields in the order of the model and only those, calls by arch
 * and name, programs by path. Arches, phases and groups keep their places.
 */
export function canonicalPolicy(policy: Policy): Policy {
  const order = policy.arches.map(({ arch }) => arch);
  return {
    format: policy.format,
    version: policy.version,
    generator: { name: policy.generator.name, version: policy.generator.version },
    sources: policy.sources.map(({ method, command, runs, complete, host }) => ({
      method,
      command: [...command],
      runs,
      complete,
      host: { kernel: host.kernel, arch: host.arch, libc: host.libc },
    })),
    strict: policy.strict,
    kernels: policy.kernels === null ? null : { from: policy.kernels.from, to: policy.kernels.to },
    onViolation: policy.onViolation,
    arches: policy.arches.map(({ arch, newest }) => ({ arch, newest })),
    enosys: canonicalCalls(policy.enosys, order),
    groups: policy.groups.map(({ name, reason }) => ({ name, reason })),
    phases: policy.phases.map(({ name, trigger, calls, programs }) => ({
      name,
      trigger,
      calls: canonicalCalls(calls, order),
      programs: programs
        .map(({ path, buildId, calls: own }) => ({ path, buildId, calls: canonicalCalls(own, order) }))
        .sort((a, b) => compareText(a.path, b.path) || compareText(a.buildId ?? '', b.buildId ?? '')),
    })),
  };
}

function canonicalCalls(calls: readonly PolicyCall[], arches: readonly Arch[]): readonly PolicyCall[] {
  return calls
    .map(({ arch, nr, name, args, why }) => ({
      arch,
      nr,
      name,
      args: canonicalArguments(args),
      why: [...new Set(why)],
    }))
    .sort((a, b) => compareLabels(a, b, arches));
}

function canonicalArguments(args: readonly PolicyArgument[]): readonly PolicyArgument[] {
  return args.map(createArgument).sort((a, b) => a.index - b.index);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
