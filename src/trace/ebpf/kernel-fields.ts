import { UnsupportedError } from '../../base/errors.ts';
import { advice, TRACE, type Asker } from './asker.ts';
import { Btf } from './btf.ts';

/** Where the kernel keeps what the programs read: byte offsets, and the ids of the tracepoints' types. */
export interface KernelFields {
  readonly tracepoints: Readonly<Record<Tracepoint, number>>;
  /** Id of the function that stands for a program which the kernel runs for each task there is. */
  readonly taskIterator: number;
  readonly offset: Readonly<Record<FieldName, number>>;
  /** i_mtime_nsec lies apart from the seconds since Linux 6.11; before that it is part of a struct timespec64. */
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
}

/** Tracepoints that programs are attached to. */
export type Tracepoint =
  | 'sys_enter'
  | 'sys_exit'
  | 'sched_process_fork'
  | 'sched_process_exec'
  | 'sched_process_exit'
  | 'signal_generate'
  | 'cgroup_attach_task';

/** Names under which the programs use members of kernel structures. */
export type FieldName =
  | 'taskStatus'
  | 'taskPid'
  | 'taskTgid'
  | 'taskExitCode'
  | 'taskExitSignal'
  | 'taskSignal'
  | 'taskMm'
  | 'taskFiles'
  | 'taskNsproxy'
  | 'taskFlags'
  | 'taskOnCpu'
  | 'taskCgroups'
  | 'setCgroup'
  | 'signalLive'
  | 'signalFlags'
  | 'signalExitCode'
  | 'mmExeFile'
  | 'mmArgStart'
  | 'mmArgEnd'
  | 'filePathMnt'
  | 'filePathDentry'
  | 'fileInode'
  | 'filePrivate'
  | 'inodeNumber'
  | 'inodeSuper'
  | 'inodeSize'
  | 'inodeMode'
  | 'superDevice'
  | 'dentryParent'
  | 'dentryName'
  | 'mountVfs'
  | 'mountParent'
  | 'mountPoint'
  | 'vfsRoot'
  | 'nsMount'
  | 'mountNsNumber'
  | 'filesTable'
  | 'tableSize'
  | 'tableFiles'
  | 'socketSock'
  | 'sockFamily'
  | 'sockState'
  | 'sockPort'
  | 'sockProtocol'
  | 'unixAddress'
  | 'addressLength'
  | 'addressName'
  | 'cgroupSelf'
  | 'cgroupParent'
  | 'cgroupNode'
  | 'cgroupRoot'
  | 'nodeId'
  | 'rootHierarchy';

/** Kernel structure and member by that name. */
const FIELDS: Readonly<Record<FieldName, readonly [struct: string, path: string]>> = {
  taskStatus: ['task_struct', 'thread_info.status'],
  taskPid: ['task_struct', 'pid'],
  taskTgid: ['task_struct', 'tgid'],
  taskExitCode: ['task_struct', 'exit_code'],
  taskExitSignal: ['task_struct', 'exit_signal'],
  taskSignal: ['task_struct', 'signal'],
  taskMm: ['task_struct', 'mm'],
  taskFiles: ['task_struct', 'files'],
  taskNsproxy: ['task_struct', 'nsproxy'],
  taskFlags: ['task_struct', 'flags'],
  taskOnCpu: ['task_struct', 'on_cpu'],
  taskCgroups: ['task_struct', 'cgroups'],
  setCgroup: ['css_set', 'dfl_cgrp'],
  signalLive: ['signal_struct', 'live.counter'],
  signalFlags: ['signal_struct', 'flags'],
  signalExitCode: ['signal_struct', 'group_exit_code'],
  mmExeFile: ['mm_struct', 'exe_file'],
  mmArgStart: ['mm_struct', 'arg_start'],
  mmArgEnd: ['mm_struct', 'arg_end'],
  filePathMnt: ['file', 'f_path.mnt'],
  filePathDentry: ['file', 'f_path.dentry'],
  fileInode: ['file', 'f_inode'],
  filePrivate: ['file', 'private_data'],
  inodeNumber: ['inode', 'i_ino'],
  inodeSuper: ['inode', 'i_sb'],
  inodeSize: ['inode', 'i_size'],
  inodeMode: ['inode', 'i_mode'],
  superDevice: ['super_block', 's_dev'],
  dentryParent: ['dentry', 'd_parent'],
  dentryName: ['dentry', 'd_name.name'],
  mountVfs: ['mount', 'mnt'],
  mountParent: ['mount', 'mnt_parent'],
  mountPoint: ['mount', 'mnt_mountpoint'],
  vfsRoot: ['vfsmount', 'mnt_root'],
  nsMount: ['nsproxy', 'mnt_ns'],
  mountNsNumber: ['mnt_namespace', 'ns.inum'],
  filesTable: ['files_struct', 'fdt'],
  tableSize: ['fdtable', 'max_fds'],
  tableFiles: ['fdtable', 'fd'],
  socketSock: ['socket', 'sk'],
  sockFamily: ['sock', '__sk_common.skc_family'],
  sockState: ['sock', '__sk_common.skc_state'],
  sockPort: ['sock', '__sk_common.skc_num'],
  sockProtocol: ['sock', 'sk_protocol'],
  unixAddress: ['unix_sock', 'addr'],
  addressLength: ['unix_address', 'len'],
  addressName: ['unix_address', 'name'],
  cgroupSelf: ['cgroup', 'self'],
  cgroupParent: ['cgroup', 'self.parent'],
  cgroupNode: ['cgroup', 'kn'],
  cgroupRoot: ['cgroup', 'root'],
  nodeId: ['kernfs_node', 'id'],
  rootHierarchy: ['cgroup_root', 'hierarchy_id'],
};

/** Members that not every kernel has. */
const OPTIONAL: ReadonlySet<FieldName> = new Set(['taskOnCpu']);

/** Offset of such a member where it is not there. */
export const ABSENT = -1;

/** Names of all tracepoints. */
export const TRACEPOINTS: readonly Tracepoint[] = [
  'sys_enter',
  'sys_exit',
  'sched_process_fork',
  'sched_process_exec',
  'sched_process_exit',
  'signal_generate',
  'cgroup_attach_task',
];

/** Source: kernel/bpf/task_iter.c, DEFINE_BPF_ITER_FUNC. */
const TASK_ITERATOR = 'bpf_iter_task';

/** Names of all members. */
export const FIELD_NAMES: readonly FieldName[] = Object.keys(FIELDS) as FieldName[];

/**
 * Looks up what the programs need in the BTF of a kernel.
 *
 * @throws FormatError if the bytes are no BTF
 * @throws UnsupportedError if the kernel lacks a tracepoint or a member
 */
export function findKernelFields(bytes: Uint8Array, asker: Asker = TRACE): KernelFields {
  const names = Object.entries(FIELDS) as [FieldName, readonly [string, string]][];
  const btf = new Btf(bytes, {
    structs: [...new Set(names.map(([, [struct]]) => struct))],
    typedefs: TRACEPOINTS.map((name) => `btf_trace_${name}`),
    functions: [TASK_ITERATOR],
  });
  const tracepoints = TRACEPOINTS.map((name) => {
    const id = btf.typedef(`btf_trace_${name}`);
    if (id === null) throw missing(`raw tracepoint ${name}`, asker);
    return [name, id] as const;
  });
  const taskIterator = btf.function(TASK_ITERATOR);
  if (taskIterator === null) throw missing(`function ${TASK_ITERATOR}`, asker);
  const offsets = names.map(
    ([name, [struct, path]]) =>
      [
        name,
        OPTIONAL.has(name)
          ? (btf.member(struct, path)?.offset ?? ABSENT)
          : memberOffset(btf, struct, path, asker),
      ] as const,
  );
  return {
    tracepoints: Object.fromEntries(tracepoints) as Record<Tracepoint, number>,
    taskIterator,
    offset: Object.fromEntries(offsets) as Record<FieldName, number>,
    mtime: findMtime(btf, asker),
  };
}

function memberOffset(btf: Btf, struct: string, path: string, asker: Asker): number {
  const found = btf.member(struct, path);
  if (found === null) throw missing(`${struct}.${path}`, asker);
  return found.offset;
}

function findMtime(btf: Btf, asker: Asker): KernelFields['mtime'] {
  const seconds = btf.member('inode', 'i_mtime_sec');
  const nanoseconds = btf.member('inode', 'i_mtime_nsec');
  if (seconds !== null && nanoseconds !== null) {
    return { seconds: seconds.offset, nanoseconds: nanoseconds.offset };
  }
  const joint = btf.member('inode', '__i_mtime') ?? btf.member('inode', 'i_mtime');
  if (joint === null) throw missing('inode.i_mtime', asker);
  return { seconds: joint.offset, nanoseconds: joint.offset + 8 };
}

function missing(what: string, asker: Asker): UnsupportedError {
  const hint = advice(asker, [], '--method seccomp does without');
  return new UnsupportedError(
    `${asker.command}: this kernel's BTF has no ${what}, which eBPF tracing needs${hint}`,
    { feature: 'eBPF', minimumKernel: '5.14' },
  );
}
