import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { coversRules } from '../policy/argument-rules.ts';
import { ENOSYS } from '../policy/filter/action.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { widen } from './alternatives.ts';
import type { Loss } from './exporter.ts';
import { foreignCalls, highHalves, newerCalls } from './losses.ts';
import { joinArches } from './name-rules.ts';
import type { Selection, Violation } from './selection.ts';

/** The `seccomp` object of the OCI runtime specification; source: config-linux.md, "Seccomp". */
export interface OciProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet: number | undefined;
  readonly architectures: readonly string[];
  readonly syscalls: readonly OciRule[];
}

/** An entry of `syscalls`: all `args` must hold. */
export interface OciRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet: number | undefined;
  readonly args: readonly OciArgument[] | undefined;
}

/** A comparison of 64 bits; for SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` what must be left. */
export interface OciArgument {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo: bigint | undefined;
  readonly op: string;
}

/**
 * What runc calls between loading the filter and starting the program, where the selection denies it: such a container
 * does not start; and what it allows with some arguments only, which may not be those of runc. Lines, or empty.
 */
export function runtimeAdvice({ arches }: Selection): string {
  const [native] = arches;
  const allowed = new Map(native?.allowed.map(({ name, args }) => [name, args]));
  const missing = RUNC_FLOOR.filter(
    (name) => !allowed.has(name) && syscallNumber(native!.arch, name) !== null,
  );
  const restricted = RUNC_FLOOR.filter((name) => !coversRules(allowed.get(name) ?? [], []));
  return [
    ...(missing.length === 0
      ? []
      : [
          `# runc 1.1 does not start a container without ${missing.join(', ')}; the group runtime:runc has them\n`,
        ]),
    ...(restricted.length === 0
      ? []
      : [
          `# runc 1.1 may need other arguments of ${restricted.join(', ')} to start a container; the group runtime:runc allows any\n`,
        ]),
  ].join('');
}

/** The calls without which runc 1.1 fails, found by denying one at a time. */
const RUNC_FLOOR = ['arch_prctl', 'close', 'execve', 'fstatfs', 'getdents64', 'mprotect', 'openat', 'write'];

/** SCMP_ARCH_* of seccomp.h. */
export const OCI_ARCH: Readonly<Record<Arch, string>> = {
  x86_64: 'SCMP_ARCH_X86_64',
  i386: 'SCMP_ARCH_X86',
  x32: 'SCMP_ARCH_X32',
  aarch64: 'SCMP_ARCH_AARCH64',
};

/** The selection as an OCI profile. */
export function buildOciProfile(selection: Selection): {
  readonly profile: OciProfile;
  readonly losses: readonly Loss[];
} {
  const { allowed, enosys, losses } = joinArches(selection);
  const plain = allowed.filter(({ alternatives }) => alternatives.every(({ length }) => length === 0));
  const allow = (names: readonly string[], args?: readonly OciArgument[]): OciRule => ({
    names,
    action: 'SCMP_ACT_ALLOW',
    errnoRet: undefined,
    args,
  });
  const { violation } = selection;
  const isDefault = violation.kind === 'errno' && violation.errno === ENOSYS;
  const syscalls: OciRule[] = [
    // An empty list of names is refused.
    ...(plain.length === 0 ? [] : [allow(plain.map(({ name }) => name))]),
    ...allowed
      .filter((rule) => !plain.includes(rule))
      .flatMap(({ name, alternatives }) =>
        alternatives.map((conditions) => allow([name], conditions.map(argumentOf))),
      ),
    ...(enosys.length === 0 || isDefault
      ? []
      : [{ names: enosys, action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, args: undefined }]),
  ];
  return {
    profile: {
      defaultAction: actionOf(violation),
      defaultErrnoRet: violation.kind === 'errno' ? violation.errno : undefined,
      architectures: selection.arches.map(({ arch }) => OCI_ARCH[arch]),
      syscalls,
    },
    losses: [...losses, ...highHalves(selection), ...foreignCalls(selection), ...newerCalls(selection)],
  };
}

function argumentOf(condition: Condition): OciArgument {
  const { arg, op, value, mask } = widen(condition);
  return op === 'eq'
    ? { index: arg, value, valueTwo: undefined, op: 'SCMP_CMP_EQ' }
    : { index: arg, value: mask!, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' };
}

function actionOf(action: Violation): string {
  switch (action.kind) {
    case 'errno':
      return 'SCMP_ACT_ERRNO';
    case 'trap':
      return 'SCMP_ACT_TRAP';
    case 'log':
      return 'SCMP_ACT_LOG';
    case 'kill_process':
      return 'SCMP_ACT_KILL_PROCESS';
  }
}
