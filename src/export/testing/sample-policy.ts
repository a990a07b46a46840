import type { Arch } from '../../abi/arch.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from '../../policy/model.ts';

/** A policy in short: names by phase, `i386:open` for another arch, `x86_64:600` for a number. */
export interface SamplePolicy {
  readonly arches?: readonly { readonly arch: Arch; readonly newest: number }[];
  readonly onViolation?: string;
  readonly enosys?: readonly string[];
  readonly phases: Readonly<Record<string, readonly (string | SampleCall)[]>>;
  readonly programs?: Readonly<Record<string, readonly string[]>>;
}

/** A call with argument rules. */
export interface SampleCall {
  readonly name: string;
  readonly args: readonly Partial<PolicyArgument>[];
}

/** A policy as a loader returns it; programs belong to the first phase. */
export function samplePolicy(sample: SamplePolicy): Policy {
  const arches = sample.arches ?? [{ arch: 'x86_64' as const, newest: 450 }];
  const native = arches[0]!.arch;
  const programs = Object.entries(sample.programs ?? {}).map(([path, names]) => ({
    path,
    buildId: null,
    calls: names.map((name) => toCall(name, native)),
  }));
  return {
    format: 'callgate-policy',
    version: 1,
    generator: { name: 'callgate', version: '0.0.0' },
    sources: [
      {
        method: 'seccomp',
        command: ['/usr/sbin/sample', '--port', '80'],
        runs: 1,
        complete: true,
        host: { kernel: '6.18.0', arch: 'x86_64', libc: 'glibc 2.36' },
      },
    ],
    strict: 'observed',
    kernels: null,
    onViolation: sample.onViolation ?? 'errno:EPERM',
    arches,
    enosys: (sample.enosys ?? []).map((name) => toCall(name, native)),
    groups: [],
    phases: Object.entries(sample.phases).map(([name, calls], index): PolicyPhase => ({
      name,
      trigger: index === 0 ? null : 'listen',
      calls: calls.map((call) => toCall(call, native)),
      programs: index === 0 ? programs : [],
    })),
  };
}

function toCall(call: string | SampleCall, native: Arch): PolicyCall {
  const label = typeof call === 'string' ? call : call.name;
  const [prefix, rest] = label.includes(':') ? (label.split(':') as [Arch, string]) : [native, label];
  const args = typeof call === 'string' ? [] : call.args.map(toArgument);
  if (/^[0-9]+$/.test(rest)) return { arch: prefix, nr: Number(rest), name: null, args, why: [] };
  const nr = syscallNumber(prefix, rest);
  if (nr === null) throw new TypeError(`sample: no system call is called ${label}`);
  return { arch: prefix, nr, name: rest, args, why: [] };
}

function toArgument(argument: Partial<PolicyArgument>): PolicyArgument {
  return { index: 0, name: null, width: 32, values: [0n], free: 0n, ...argument };
}
