import type { Arch } from './arch.ts';
import { AARCH64_VALUE_SETS, I386_VALUE_SETS, VALUE_SETS } from './generated/argument-values.ts';
import { ROWS } from './selecting-argument-rows.ts';
import type { SelectingArgument } from './selecting-arguments.ts';
import { signalName } from './signals.ts';

interface ValueSet {
  /** Value to name. */
  readonly names: ReadonlyMap<bigint, string>;
  /** Non-zero values, those of most bits first, so that O_SYNC goes before the O_DSYNC within it. */
  readonly flags: readonly (readonly [bigint, string])[];
}

/** Sets whose values exclude each other; the others are flags that are joined. */
const ENUMERATIONS: ReadonlySet<string> = new Set(
  (
    'arch-prctl-op bpf-cmd clock-id epoll-op fadvise-advice fcntl-cmd fsconfig-cmd ioctl-request ioprio-which itimer-which ' +
    'kcmp-type keyctl-op landlock-rule-type lsm-attr madvise-advice membarrier-cmd perf-type prctl-option priority-which ' +
    'ptrace-request reboot-cmd resource rusage-who seccomp-op seek-whence shutdown-how sigprocmask-how socket-domain ' +
    'socketcall-call sockopt-level wait-id-type'
  ).split(' '),
);

/** Bits of a set of flags that hold one value of an enumeration: O_ACCMODE, MAP_TYPE, FUTEX_CMD_MASK, CSIGNAL and so on. */
const FIELDS: Readonly<Record<string, bigint>> = {
  'clone-flags': 0xffn,
  'futex-op': 0x7fn,
  'futex2-flags': 0x3n,
  'io-uring-register-op': 0x7fffffffn,
  'ipc-call': 0xffffn,
  'ipc-flags': 0o777n,
  'map-flags': 0xfn,
  'mbind-mode': 0xfffn,
  'msgctl-cmd': 0xffn,
  'open-flags': 0x3n,
  personality: 0xffn,
  'sched-policy': 0xffn,
  'semctl-cmd': 0xffn,
  'shmctl-cmd': 0xffn,
  'shmget-flags': 0o777n,
  'socket-type': 0xfn,
};

/** Fields that are file modes and shown in octal. */
const MODES: ReadonlySet<string> = new Set(['ipc-flags', 'shmget-flags']);

const valueSets = new Map<string, ValueSet>();

/**
 * A selecting argument's value in the words of the kernel's headers, for display: `F_SETFD`, `PROT_READ|PROT_EXEC`,
 * `O_RDWR|O_CLOEXEC`, `CLONE_VM|CLONE_VFORK|SIGCHLD`; bits without a name stay in hexadecimal.
 *
 * Null if the call has no such selecting argument, if its values have no names (`protocol` of socket, `optname` of
 * setsockopt, which depend on other arguments) or if not one bit of this value has one. `value` is unsigned; what lies
 * above the argument's width is ignored, as the kernel does.
 */
export function argumentValueName(
  arch: Arch,
  syscall: string,
  argument: string,
  value: number | bigint,
): string | null {
  const found = findArgument(arch, syscall, argument);
  if (found?.values === undefined) return null;
  const masked = BigInt.asUintN(found.pointee?.bits ?? (arch === 'i386' ? 32 : found.bits), BigInt(value));
  if (found.values === 'signal') return signalName(Number(masked));
  const set = load(arch, found.values);
  if (set === null) return null;
  if (ENUMERATIONS.has(found.values)) return set.names.get(masked) ?? null;
  return joinFlags(found.values, set, masked);
}

function findArgument(arch: Arch, syscall: string, argument: string): SelectingArgument | undefined {
  const rows = ROWS.filter((row) => row.name === syscall);
  const row =
    rows.find((each) => each.arches?.includes(arch)) ?? rows.find((each) => each.arches === undefined);
  return row?.args.find(({ name }) => name === argument);
}

function joinFlags(name: string, set: ValueSet, value: bigint): string | null {
  const field = FIELDS[name] ?? 0n;
  const low = value & field;
  const parts: string[] = [];
  const suffix: string[] = [];
  let named = false;
  if (name === 'clone-flags') {
    if (low !== 0n) suffix.push(signalName(Number(low)) ?? hexadecimal(low));
  } else if (MODES.has(name)) {
    if (low !== 0n) suffix.push(`0${low.toString(8)}`);
  } else if (field !== 0n) {
    const known = set.names.get(low);
    if (known !== undefined) parts.push(known);
    else if (low !== 0n) parts.push(hexadecimal(low));
    named = known !== undefined;
  }
  let rest = value & ~field;
  for (const [bits, flag] of set.flags) {
    if ((bits & field) !== 0n || (rest & bits) !== bits) continue;
    parts.push(flag);
    named = true;
    rest &= ~bits;
  }
  if (value === 0n && !named) return set.names.get(0n) ?? '0';
  if (!named && suffix.length === 0) return null;
  return [...parts, ...(rest === 0n ? [] : [hexadecimal(rest)]), ...suffix].join('|');
}

function hexadecimal(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function load(arch: Arch, name: string): ValueSet | null {
  const key = `${arch} ${name}`;
  const known = valueSets.get(key);
  if (known !== undefined) return known;
  const own =
    arch === 'i386' ? I386_VALUE_SETS[name] : arch === 'aarch64' ? AARCH64_VALUE_SETS[name] : undefined;
  const text = own ?? VALUE_SETS[name];
  if (text === undefined) return null;
  const rows = text
    .trim()
    .split('\n')
    .map((row) => {
      const [value, constant] = row.split(' ');
      return [BigInt(value ?? ''), constant ?? ''] as const;
    });
  const flags = rows
    .filter(([value]) => value !== 0n)
    // Stable, so flags of equally many bits stay in ascending order.
    .toSorted(([a], [b]) => bitCount(b) - bitCount(a));
  const fresh = { names: new Map(rows), flags };
  valueSets.set(key, fresh);
  return fresh;
}

function bitCount(value: bigint): number {
  return value.toString(2).replaceAll('0', '').length;
}
