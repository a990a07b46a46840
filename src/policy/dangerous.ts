import type { PolicyArgument, PolicyCall } from './model.ts';

/** A call that gives an attacker more than most. */
export interface DangerousCall {
  readonly name: string;
  readonly why: string;
  /** Only with these arguments; absent: in any form. */
  readonly only?: DangerousArgument;
}

/** `values`: any of them; `bits`: any of these bits set, but for a value that is `harmless`. */
export interface DangerousArgument {
  readonly index: number;
  readonly values?: readonly bigint[];
  readonly bits?: bigint;
  /** A value of 32 bits that has them set and means something else. */
  readonly harmless?: bigint;
  /** What the arguments mean, for messages. */
  readonly meaning: string;
}

/** CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; source: include/uapi/linux/sched.h. */
const NAMESPACES =
  0x80n | 0x20000n | 0x2000000n | 0x4000000n | 0x8000000n | 0x10000000n | 0x20000000n | 0x40000000n;

/** For clone the bit of CLONE_NEWTIME is part of the signal, so it means nothing there. */
const CLONE_NAMESPACES = NAMESPACES & ~0xffn;

const NAMESPACE_WHY =
  'a user namespace gives all capabilities inside, the way to most kernel exploits of recent years';
const MOUNT_WHY = 'changes what paths mean, for this process and maybe others';
const IO_URING_WHY = 'its operations do the work of other calls without passing the filter';
const MODULE_WHY = 'puts code into the kernel';
const KEY_WHY = 'the key rings are not namespaced and have a long list of kernel bugs';
const OTHER_MEMORY_WHY = 'changes the memory and registers of other processes';

/** Sources: the default seccomp profiles of container runtimes and what they deny, the manual pages' capabilities. */
export const DANGEROUS_CALLS: readonly DangerousCall[] = [
  { name: 'ptrace', why: OTHER_MEMORY_WHY },
  { name: 'process_vm_writev', why: OTHER_MEMORY_WHY },
  { name: 'process_vm_readv', why: 'reads the memory of other processes' },
  { name: 'pidfd_getfd', why: 'takes file descriptors out of other processes' },
  { name: 'kcmp', why: 'tells kernel objects of other processes apart' },
  { name: 'bpf', why: 'runs code in the kernel' },
  { name: 'io_uring_setup', why: IO_URING_WHY },
  { name: 'io_uring_enter', why: IO_URING_WHY },
  { name: 'io_uring_register', why: IO_URING_WHY },
  {
    name: 'userfaultfd',
    why: 'lets a program stop the kernel in the middle of a copy, which makes races easy to win',
  },
  { name: 'keyctl', why: KEY_WHY },
  { name: 'add_key', why: KEY_WHY },
  { name: 'request_key', why: KEY_WHY },
  { name: 'mount', why: MOUNT_WHY },
  { name: 'umount', why: MOUNT_WHY },
  { name: 'umount2', why: MOUNT_WHY },
  { name: 'pivot_root', why: MOUNT_WHY },
  { name: 'chroot', why: MOUNT_WHY },
  { name: 'move_mount', why: MOUNT_WHY },
  { name: 'open_tree', why: MOUNT_WHY },
  { name: 'open_tree_attr', why: MOUNT_WHY },
  { name: 'mount_setattr', why: MOUNT_WHY },
  { name: 'fsopen', why: MOUNT_WHY },
  { name: 'fsconfig', why: MOUNT_WHY },
  { name: 'fsmount', why: MOUNT_WHY },
  { name: 'fspick', why: MOUNT_WHY },
  { name: 'setns', why: 'enters the namespaces of another process' },
  { name: 'unshare', why: NAMESPACE_WHY, only: { index: 0, bits: NAMESPACES, meaning: 'CLONE_NEW* flags' } },
  {
    name: 'clone',
    why: NAMESPACE_WHY,
    only: { index: 0, bits: CLONE_NAMESPACES, meaning: 'CLONE_NEW* flags' },
  },
  {
    name: 'ioctl',
    why: 'types into the terminal of whoever started the program',
    // TIOCSTI, TIOCLINUX: asm-generic/ioctls.h
    only: { index: 1, values: [0x5412n, 0x541cn], meaning: 'TIOCSTI or TIOCLINUX' },
  },
  {
    name: 'personality',
    why: 'turns off the randomisation of addresses and makes data executable',
    // ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC: include/uapi/linux/personality.h. All bits set only asks: kernel/exec_domain.c
    only: {
      index: 0,
      bits: 0x0440000n,
      harmless: 0xffffffffn,
      meaning: 'ADDR_NO_RANDOMIZE or READ_IMPLIES_EXEC',
    },
  },
  { name: 'kexec_load', why: 'replaces the kernel' },
  { name: 'kexec_file_load', why: 'replaces the kernel' },
  { name: 'init_module', why: MODULE_WHY },
  { name: 'finit_module', why: MODULE_WHY },
  { name: 'create_module', why: MODULE_WHY },
  { name: 'delete_module', why: 'takes code out of the kernel' },
  { name: 'perf_event_open', why: 'a large interface with a long list of kernel bugs' },
  { name: 'open_by_handle_at', why: 'opens files by number, past every mount and directory' },
  { name: 'modify_ldt', why: 'rarely used code of the kernel with a history of bugs' },
  { name: 'vm86', why: 'rarely used code of the kernel with a history of bugs' },
  { name: 'vm86old', why: 'rarely used code of the kernel with a history of bugs' },
  { name: 'iopl', why: 'direct access to hardware' },
  { name: 'ioperm', why: 'direct access to hardware' },
  { name: 'acct', why: 'acts on the whole machine' },
  { name: 'reboot', why: 'acts on the whole machine' },
  { name: 'swapon', why: 'acts on the whole machine' },
  { name: 'swapoff', why: 'acts on the whole machine' },
  { name: 'settimeofday', why: 'acts on the whole machine' },
  { name: 'clock_settime', why: 'acts on the whole machine' },
  { name: 'clock_settime64', why: 'acts on the whole machine' },
  { name: 'sethostname', why: 'acts on the whole machine' },
  { name: 'setdomainname', why: 'acts on the whole machine' },
  { name: 'quotactl', why: 'acts on the whole machine' },
  { name: 'syslog', why: 'reads kernel messages, which tell addresses' },
  { name: 'lookup_dcookie', why: 'tells paths that the process cannot see' },
  { name: 'move_pages', why: 'moves memory of other processes' },
  { name: 'migrate_pages', why: 'moves memory of other processes' },
  { name: 'memfd_secret', why: 'memory that nobody else can look into' },
  { name: 'uselib', why: 'rarely used code of the kernel with a history of bugs' },
];

/** How far a policy opens a dangerous call. */
export interface Exposure {
  readonly row: DangerousCall;
  /** `stated`: the entry is the dangerous form itself; `unbounded`: nothing in the entry keeps it out. */
  readonly kind: 'stated' | 'unbounded';
}

/** Whether an entry allows something dangerous, and how; null if it does not. */
export function exposureOf(call: Pick<PolicyCall, 'name' | 'args'>): Exposure | null {
  const row = DANGEROUS_CALLS.find(({ name }) => name === call.name);
  if (row === undefined) return null;
  const { only } = row;
  if (only === undefined) return { row, kind: 'stated' };
  const argument = call.args.find(({ index }) => index === only.index);
  if (argument === undefined) return { row, kind: 'unbounded' };
  return admits(argument, only) ? { row, kind: 'stated' } : null;
}

/** Whether the call is dangerous whatever its arguments are. */
export function isDangerous(name: string | null): boolean {
  return DANGEROUS_CALLS.some((row) => row.name === name && row.only === undefined);
}

function admits({ values, free, width }: PolicyArgument, only: DangerousArgument): boolean {
  if (only.bits !== undefined) {
    const { bits, harmless } = only;
    const isHarmless = (value: bigint): boolean => free === 0n && BigInt.asUintN(32, value) === harmless;
    return (free & bits) !== 0n || values.some((value) => (value & bits) !== 0n && !isHarmless(value));
  }
  return (only.values ?? []).some((wanted) => values.includes(BigInt.asUintN(width, wanted) & ~free));
}
