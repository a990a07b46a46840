import type { Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { coversRules } from './argument-rules.ts';
import { callKey, formatLabel, identifyName, type CallIdentity } from './call-label.ts';
import { blockedCves } from './cves.ts';
import { exposureOf } from './dangerous.ts';
import { compileFilter } from './filter/compile.ts';
import { PolicyError } from './filter/policy-error.ts';
import { groupArguments, groupCalls, SWITCH_GROUP } from './groups.ts';
import { missingLoaderCalls } from './loader.ts';
import { lowerPolicy } from './lower.ts';
import type { KernelRange, Policy, PolicyCall, PolicyPhase } from './model.ts';
import { callsByKey, hasCall, policySets, type PlacedSet } from './policy-sets.ts';
import { existsIn } from './portable.ts';
import { baseName } from '../base/base-name.ts';

/**
 * `error`: the policy cannot do what it says; `danger`: it allows what an attacker looks for; `warning`: it may break
 * the program or is wider than it looks.
 */
export type Severity = 'error' | 'danger' | 'warning';

/** Every severity, worst first. */
export const SEVERITIES: readonly Severity[] = ['error', 'danger', 'warning'];

/** One thing that is wrong with a policy, or worth a look. */
export interface Finding {
  readonly severity: Severity;
  /** Stable name of the rule. */
  readonly rule: string;
  /** Sets that it is about: `main`, or `main/nginx` for that of a program; empty for the policy as a whole. */
  readonly sets: readonly string[];
  /** Label of the call that it is about, or null. */
  readonly call: string | null;
  readonly message: string;
}

/** How much of an arch one set leaves. */
export interface ArchCoverage {
  readonly arch: Arch;
  /** Calls that the arch has, up to the newest that the policy knows. */
  readonly total: number;
  readonly allowed: number;
  /** Of the allowed ones, those with argument rules. */
  readonly restricted: number;
  readonly blocked: number;
}

/** What one set allows, and what it takes away. */
export interface SetCoverage {
  readonly phase: string;
  /** Path of the program, null for the tree. */
  readonly program: string | null;
  readonly arches: readonly ArchCoverage[];
  /** Published vulnerabilities to which nothing allowed leads. */
  readonly blockedCves: readonly string[];
}

export interface CheckResult {
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly coverage: readonly SetCoverage[];
}

/** Whether a check counts as failed. */
export function hasFailed({ findings }: CheckResult): boolean {
  return findings.some(({ severity }) => severity !== 'warning');
}

/**
 * Looks for what is wrong with a policy and measures what it takes away.
 *
 * @param accepted names of dangerous calls that are meant to be open: no findings
 */
export function checkPolicy(policy: Policy, accepted: readonly string[] = []): CheckResult {
  const findings = [
    ...findEmptySets(policy),
    ...findUnbuildable(policy),
    ...findWiderPhases(policy),
    ...findWiderPrograms(policy),
    ...findMissingLaunch(policy),
    ...findMissingSwitch(policy),
    ...findDangers(policy, accepted),
    ...findImpossible(policy),
    ...findLoaderGaps(policy),
    ...findKernelGaps(policy),
    ...findClone3(policy),
    ...findRehearsal(policy),
  ];
  return {
    findings: findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)),
    coverage: measurePolicy(policy),
  };
}

/** What each set of a policy takes away. */
export function measurePolicy(policy: Policy): readonly SetCoverage[] {
  return policySets(policy).map((set) => measureSet(policy, set));
}

function measureSet(policy: Policy, { phase, program, calls }: PlacedSet): SetCoverage {
  const allowed = callsByKey(calls);
  const isRehearsal = policy.onViolation === 'log';
  const cves = isRehearsal
    ? []
    : blockedCves(
        policy.arches.map(({ arch }) => arch),
        (arch, nr) => allowed.has(callKey({ arch, nr })),
      );
  return {
    phase: phase.name,
    program: program?.path ?? null,
    arches: policy.arches.map(({ arch, newest }) => {
      const existing = syscalls(arch).filter(({ nr, since }) => since !== null && nr <= newest);
      const open = existing.flatMap(({ nr }) => allowed.get(callKey({ arch, nr })) ?? []);
      return {
        arch,
        total: existing.length,
        allowed: open.length,
        restricted: open.filter(({ args }) => args.length > 0).length,
        blocked: isRehearsal ? 0 : existing.length - open.length,
      };
    }),
    blockedCves: cves.map(({ id }) => id),
  };
}

function findEmptySets(policy: Policy): readonly Finding[] {
  return policySets(policy)
    .filter(({ calls }) => calls.length === 0)
    .map((set) => finding('error', 'empty-set', [setName(set)], null, 'allows nothing at all'));
}

/** A set of which no filter can be made: `run` refuses the policy. */
function findUnbuildable(policy: Policy): readonly Finding[] {
  return policySets(policy).flatMap((set) => {
    try {
      compileFilter(lowerPolicy(policy, set.phase.name, set.program));
      return [];
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      const message = `no filter can be made of it: ${error.message.replace(/^(policy|filter): /, '')}`;
      return [finding('error', 'no-filter', [setName(set)], null, message)];
    }
  });
}

/** Filters can only be tightened: what an earlier phase denies stays denied. */
function findWiderPhases({ phases, arches }: Policy): readonly Finding[] {
  return phases.flatMap((phase, index) => {
    const before = phases[index - 1];
    if (before === undefined) return [];
    return wider(phase.calls, before.calls).map((call) =>
      finding(
        'error',
        'wider-phase',
        [phase.name],
        formatLabel(call, arches[0]?.arch ?? 'x86_64'),
        `wider than in ${before.name}, whose filter stays in force`,
      ),
    );
  });
}

function findWiderPrograms(policy: Policy): readonly Finding[] {
  return policySets(policy).flatMap((set) => {
    if (set.program === null) return [];
    return wider(set.calls, set.phase.calls).map((call) =>
      finding(
        'error',
        'wider-program',
        [setName(set)],
        formatLabel(call, nativeOf(policy)),
        'wider than in the set of the tree, whose filter stays in force',
      ),
    );
  });
}

/** Calls of a set that an outer one does not let through in the same forms. */
function wider(inner: readonly PolicyCall[], outer: readonly PolicyCall[]): readonly PolicyCall[] {
  const allowed = callsByKey(outer);
  return inner.filter((call) => {
    const other = allowed.get(callKey(call));
    return other === undefined || !coversRules(other.args, call.args);
  });
}

function findMissingLaunch(policy: Policy): readonly Finding[] {
  const [first] = policy.phases;
  if (first === undefined || policy.onViolation === 'log') return [];
  const isThere = policy.arches.some(({ arch }) => {
    const execve = identifyName(arch, 'execve');
    return execve !== null && hasCall(first.calls, execve);
  });
  if (isThere) return [];
  return [
    finding(
      'error',
      'no-execve',
      [first.name],
      'execve',
      'denied, so that the program itself cannot be started',
    ),
  ];
}

/** A tighter filter is put in place from inside the process, under the filter that it has. */
function findMissingSwitch(policy: Policy): readonly Finding[] {
  const native = nativeOf(policy);
  return policySets(policy).flatMap((set) => {
    const next = policy.phases[policy.phases.indexOf(set.phase) + 1];
    const executes = set.calls.some(({ name }) => name === 'execve' || name === 'execveat');
    const isNarrowed = set.phase.programs.length > 0 && executes;
    if (next === undefined && !isNarrowed) return [];
    const whose = next === undefined ? 'a program that is executed' : next.name;
    const allowed = callsByKey(set.calls);
    return groupCalls(SWITCH_GROUP, native)
      .filter(({ call, row }) => {
        const entry = allowed.get(callKey(call));
        return entry === undefined || !coversRules(entry.args, groupArguments(call, row));
      })
      .map(({ call }) =>
        finding(
          'error',
          'no-switch',
          [setName(set)],
          formatLabel(call, native),
          `denied, so that the filter of ${whose} cannot be put in place`,
        ),
      );
  });
}

function findDangers(policy: Policy, accepted: readonly string[]): readonly Finding[] {
  const found = new Map<string, { finding: Finding; sets: string[] }>();
  for (const { name, calls } of policy.phases) {
    for (const call of calls) {
      if (call.name !== null && accepted.includes(call.name)) continue;
      const about = dangerOf(call, formatLabel(call, nativeOf(policy)));
      if (about === null) continue;
      const key = `${about.severity} ${about.call}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, { finding: about, sets: [name] });
      else known.sets.push(name);
    }
  }
  return [...found.values()].map(({ finding: about, sets }) => ({ ...about, sets }));
}

function dangerOf(call: PolicyCall, label: string): Finding | null {
  if (call.name === 'clone3') {
    const message =
      'its flags stand behind a pointer, so new namespaces cannot be kept out; with ENOSYS libraries take clone';
    return finding('warning', 'unbounded', [], label, message);
  }
  const exposure = exposureOf(call);
  if (exposure === null) return null;
  const { why, only } = exposure.row;
  return exposure.kind === 'stated'
    ? finding('danger', 'dangerous', [], label, only === undefined ? why : `${only.meaning}: ${why}`)
    : finding('warning', 'unbounded', [], label, `nothing keeps out ${only?.meaning ?? 'anything'}: ${why}`);
}

/** Reserved numbers, and calls that are newer than the kernels that the policy is for. */
function findImpossible(policy: Policy): readonly Finding[] {
  return collect(policy, (call, range) => {
    if (call.name === null) return null;
    const newest = range?.to ?? '9999.0';
    if (existsIn(call, newest)) return null;
    const which = range === null ? 'no kernel has it' : `no kernel from ${range.from} to ${range.to} has it`;
    return finding('warning', 'no-kernel', [], formatLabel(call, nativeOf(policy)), which);
  });
}

function collect(
  policy: Policy,
  look: (call: PolicyCall, range: KernelRange | null) => Finding | null,
): readonly Finding[] {
  const [first] = policy.phases;
  return (first?.calls ?? []).flatMap((call) => {
    const about = look(call, policy.kernels);
    if (about === null) return [];
    return [
      { ...about, sets: policy.phases.filter(({ calls }) => hasCall(calls, call)).map(({ name }) => name) },
    ];
  });
}

function findLoaderGaps(policy: Policy): readonly Finding[] {
  return policySets(policy).flatMap((set) =>
    policy.arches.flatMap(({ arch }) => {
      const execs = ['execve', 'execveat'].flatMap((name) => identifyName(arch, name) ?? []);
      const exec = execs.find((call) => hasCall(set.calls, call));
      if (exec === undefined) return [];
      const missing = missingLoaderCalls(set.calls, arch);
      if (missing.length === 0) return [];
      return [
        finding(
          'warning',
          'loader',
          [setName(set)],
          formatLabel(exec, nativeOf(policy)),
          `a program that is not linked statically would not start: no ${missing.join(', no ')}`,
        ),
      ];
    }),
  );
}

/** What the kernel puts into every program. */
function findKernelGaps(policy: Policy): readonly Finding[] {
  return policySets(policy).flatMap((set) =>
    policy.arches.flatMap(({ arch }) => {
      if (!set.calls.some((call) => call.arch === arch)) return [];
      return ['rt_sigreturn', 'restart_syscall', 'exit_group']
        .flatMap((name) => identifyName(arch, name) ?? [])
        .filter((call) => !hasCall(set.calls, call))
        .map((call) =>
          finding(
            'warning',
            'kernel-made',
            [setName(set)],
            formatLabel(call, nativeOf(policy)),
            'denied, although every program may need it: the kernel puts it there, or it is the end',
          ),
        );
    }),
  );
}

function findClone3(policy: Policy): readonly Finding[] {
  if (policy.onViolation === 'log') return [];
  const forks = (phase: PolicyPhase): boolean => phase.calls.some(({ name }) => name === 'clone');
  return policy.arches.flatMap(({ arch }) => {
    const clone3 = identifyName(arch, 'clone3');
    if (clone3 === null || hasCall(policy.enosys, clone3)) return [];
    const sets = policy.phases.filter((phase) => forks(phase) && !hasCall(phase.calls, clone3));
    if (sets.length === 0) return [];
    return [
      finding(
        'warning',
        'clone3',
        sets.map(({ name }) => name),
        formatLabel(clone3, nativeOf(policy)),
        `gives ${policy.onViolation}, after which the C library does not try clone: it belongs into enosys`,
      ),
    ];
  });
}

function findRehearsal(policy: Policy): readonly Finding[] {
  if (policy.onViolation !== 'log') return [];
  return [finding('warning', 'log-only', [], null, 'onViolation is log: nothing is blocked')];
}

function finding(
  severity: Severity,
  rule: string,
  sets: readonly string[],
  call: string | null,
  message: string,
): Finding {
  return { severity, rule, sets, call, message };
}

function setName({ phase, program }: PlacedSet): string {
  return program === null ? phase.name : `${phase.name}/${baseName(program.path)}`;
}

function nativeOf({ arches }: Policy): CallIdentity['arch'] {
  return arches[0]?.arch ?? 'x86_64';
}
