import type { EbpfCode } from './assembler.ts';
import type { KernelFields } from './kernel-fields.ts';
import {
  ARGV_CAP,
  EVENT,
  EVENT_TYPE,
  EXEC_EVENT,
  NAME_CAP,
  PATH_CAP,
  PATH_EVENT,
  PATH_IS_CUT,
  PATH_IS_LOOSE,
  PROCESS,
  TASK,
} from './layout.ts';
import { ProgramAssembler, RB_NO_WAKEUP, type ProgramOptions } from './program.ts';
import { emitForget } from './shortcut-code.ts';

/** Longest name of a file, with its zero byte; source: include/uapi/linux/limits.h. */
const NAME_SIZE = 256;

/** Places on the stack. */
const AT = {
  formerTid: -8,
  tid: -16,
  now: -24,
  spare: -32,
  task: -32 - TASK.size,
  mount: -96,
  dentry: -104,
  left: -112,
  file: -120,
  zero: -128,
  launchAt: -136,
  entry: -144,
} as const;

/**
 * The program at raw tracepoint sched_process_exec: a process has replaced its program, and is alone in it.
 *
 * What it is now (path, file, arguments) is read here, for it may be gone before callgate could look.
 *
 * Registers: r6 the task (struct task_struct), r7 the buffer in which an event is put together, r8 the number of the new process
 * entry, r9 a length.
 */
export function assembleExec(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  const { taskPid } = code.fields;
  code.load('r6', 'r1', 0, 8).load('r2', 'r1', 8, 8).store('r10', AT.formerTid, 'r2', 4);
  code.load('r1', 'r6', taskPid, 4).store('r10', AT.tid, 'r1', 4);
  code.call('ktime_get_ns').store('r10', AT.now, 'r0', 8);
  if (options.isLean === true) for (const tid of [AT.formerTid, AT.tid]) emitForget(code, tid);
  code.lookup('tasks', AT.formerTid).jumpIf('eq', 'r0', 0, 'end');
  code.load('r1', 'r0', TASK.launchAt, 8).store('r10', AT.launchAt, 'r1', 8);
  code.load('r1', 'r0', TASK.entry, 4).store('r10', AT.entry, 'r1', 4);
  code.newEntry().mov('r8', 'r0');
  renewTask(code);
  code.store('r10', AT.zero, 0, 8).lookup('scratch', AT.zero).mov('r7', 'r0').jumpIf('eq', 'r7', 0, 'end');
  emitPath(code);
  emitExec(code, options.fields.mtime);
  return code.finish();
}

/** The task goes on under the pid, whatever its tid was, and its process under the new number. */
function renewTask(code: ProgramAssembler): void {
  code
    .zero(AT.task, TASK.size)
    .store('r10', AT.task + TASK.entry, 'r8', 4)
    .load('r1', 'r10', AT.tid, 4);
  code.store('r10', AT.task + TASK.tgid, 'r1', 4).remove('tasks', AT.formerTid);
  code
    .map('r1', 'tasks')
    .mov('r2', 'r10')
    .alu('add', 'r2', AT.tid)
    .mov('r3', 'r10')
    .alu('add', 'r3', AT.task);
  code.mov('r4', 0).call('map_update_elem').jumpIf('eq', 'r0', 0, 'renewed').count('lostTasks', 1, 8);
  code.label('renewed').lookup('processes', AT.tid).jumpIf('eq', 'r0', 0, 'no process');
  code.store('r0', PROCESS.entry, 'r8', 4);
  for (let at: number = PROCESS.counts; at < PROCESS.size; at += 8) code.store('r0', at, 0, 8);
  code.label('no process');
}

/** Names of the executable's path, from the last to the first: dentry by dentry, and over the roots of mounts. */
function emitPath(code: ProgramAssembler): void {
  const { fields } = code;
  const { spare, mount, dentry, left } = AT;
  // The length so far is kept in memory of which the verifier forgets what it knew: else it would follow every combination of lengths.
  code.store('r7', PATH_EVENT.length, 0, 4).store('r10', left, NAME_CAP, 8).store('r10', AT.file, 0, 8);
  code.fetch('r3', 'r6', fields.taskMm, 8, spare).jumpIf('eq', 'r3', 0, 'path ends');
  code
    .fetch('r3', 'r3', fields.mmExeFile, 8, spare)
    .jumpIf('eq', 'r3', 0, 'path ends')
    .store('r10', AT.file, 'r3', 8);
  code.read(dentry, 'r3', fields.filePathDentry, 8).load('r3', 'r10', AT.file, 8);
  code
    .fetch('r1', 'r3', fields.filePathMnt, 8, spare)
    .alu('sub', 'r1', fields.mountVfs)
    .store('r10', mount, 'r1', 8);
  code.label('name').load('r1', 'r10', left, 8).alu('sub', 'r1', 1).store('r10', left, 'r1', 8);
  code.jumpIf('eq', 'r1', 0, 'path is cut');
  // At the root of a mount the path goes on where that is mounted; the topmost mount is its own parent.
  code.load('r3', 'r10', mount, 8).fetch('r1', 'r3', fields.mountVfs + fields.vfsRoot, 8, spare);
  code.load('r2', 'r10', dentry, 8).jumpIf('ne', 'r1', 'r2', 'inside');
  code.load('r3', 'r10', mount, 8).read(spare, 'r3', fields.mountParent, 8);
  code.load('r1', 'r10', spare, 8).load('r3', 'r10', mount, 8).jumpIf('eq', 'r1', 'r3', 'path ends');
  code.store('r10', AT.zero, 'r1', 8).read(dentry, 'r3', fields.mountPoint, 8);
  code.load('r1', 'r10', AT.zero, 8).store('r10', mount, 'r1', 8).jump('name').label('inside');
  code.load('r3', 'r10', dentry, 8).fetch('r1', 'r3', fields.dentryParent, 8, spare);
  code.load('r3', 'r10', dentry, 8).jumpIf('eq', 'r1', 'r3', 'no directory').store('r10', dentry, 'r1', 8);
  emitName(code);
  code.jump('name');
  code.label('no directory').load('r9', 'r7', PATH_EVENT.length, 4).jumpIf('ne', 'r9', 0, 'path ends');
  emitName(code);
  code.mov('r1', PATH_IS_LOOSE).store('r7', PATH_EVENT.kind, 'r1', 4).jump('path');
  code.label('path is cut').mov('r1', PATH_IS_CUT).store('r7', PATH_EVENT.kind, 'r1', 4).jump('path');
  code.label('path ends').store('r7', PATH_EVENT.kind, 0, 4);
  code.label('path').store('r7', EVENT.type, EVENT_TYPE.path, 4).store('r7', EVENT.entry, 'r8', 4);
  code.load('r1', 'r10', AT.now, 8).store('r7', EVENT.time, 'r1', 8);
  code
    .load('r9', 'r7', PATH_EVENT.length, 4)
    .jumpIf('le', 'r9', PATH_CAP, 'path fits')
    .mov('r9', PATH_CAP)
    .label('path fits');
  code
    .mov('r2', 'r7')
    .mov('r3', 'r9')
    .alu('add', 'r3', PATH_EVENT.names)
    .mov('r4', RB_NO_WAKEUP)
    .sendPointed();
}

/** Adds the name of the dentry in r3 to the path, or leaves for `path is cut`. Loses r1 to r3, r9. */
function emitName(code: ProgramAssembler): void {
  code.fetch('r3', 'r3', code.fields.dentryName, 8, AT.spare);
  code.load('r9', 'r7', PATH_EVENT.length, 4).jumpIf('gt', 'r9', PATH_CAP - NAME_SIZE, 'path is cut');
  code.mov('r1', 'r7').alu('add', 'r1', PATH_EVENT.names).alu('add', 'r1', 'r9').mov('r2', NAME_SIZE);
  code
    .call('probe_read_kernel_str')
    .jumpIf('sle', 'r0', 0, 'path is cut')
    .jumpIf('gt', 'r0', NAME_SIZE, 'path is cut');
  code.alu('add', 'r9', 'r0').store('r7', PATH_EVENT.length, 'r9', 4);
}

function emitExec(code: ProgramAssembler, mtime: KernelFields['mtime']): void {
  const { fields } = code;
  const { spare } = AT;
  code
    .store('r7', EVENT.type, EVENT_TYPE.exec, 4)
    .load('r1', 'r10', AT.entry, 4)
    .store('r7', EVENT.entry, 'r1', 4);
  code
    .load('r1', 'r10', AT.now, 8)
    .store('r7', EVENT.time, 'r1', 8)
    .store('r7', EXEC_EVENT.newEntry, 'r8', 4);
  code.load('r1', 'r10', AT.formerTid, 4).store('r7', EXEC_EVENT.formerTid, 'r1', 4);
  code.load('r1', 'r10', AT.tid, 4).store('r7', EXEC_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r10', AT.launchAt, 8).store('r7', EXEC_EVENT.launchAt, 'r1', 8);
  code.call('get_current_cgroup_id').store('r7', EXEC_EVENT.cgroup, 'r0', 8);
  code
    .load('r3', 'r10', AT.file, 8)
    .fetch('r1', 'r3', fields.fileInode, 8, spare)
    .store('r10', AT.file, 'r1', 8);
  for (const [offset, to, width] of [
    [fields.inodeNumber, EXEC_EVENT.inode, 8],
    [fields.inodeSize, EXEC_EVENT.fileSize, 8],
    [mtime.seconds, EXEC_EVENT.mtimeSeconds, 8],
    [mtime.nanoseconds, EXEC_EVENT.mtimeNanoseconds, 4],
  ] as const) {
    code.store('r10', spare, 0, 8).load('r3', 'r10', AT.file, 8).read(spare, 'r3', offset, width);
    code.load('r1', 'r10', spare, 8).store('r7', to, 'r1', 8);
  }
  // Arguments lie in one piece at the top of the new stack, where the kernel has just written them.
  code.mov('r9', 0).store('r7', EXEC_EVENT.argvTotal, 0, 8);
  code
    .fetch('r3', 'r6', fields.taskMm, 8, spare)
    .store('r10', AT.file, 'r3', 8)
    .jumpIf('eq', 'r3', 0, 'arguments');
  code.fetch('r1', 'r3', fields.mmArgEnd, 8, spare).store('r10', AT.dentry, 'r1', 8);
  code.load('r3', 'r10', AT.file, 8).fetch('r3', 'r3', fields.mmArgStart, 8, spare);
  code.load('r9', 'r10', AT.dentry, 8).alu('sub', 'r9', 'r3').store('r7', EXEC_EVENT.argvTotal, 'r9', 8);
  code.jumpIf('le', 'r9', ARGV_CAP, 'all arguments').mov('r9', ARGV_CAP).label('all arguments');
  code.mov('r1', 'r7').alu('add', 'r1', EXEC_EVENT.argv).mov('r2', 'r9').call('probe_read_user');
  code.jumpIf('eq', 'r0', 0, 'arguments').mov('r9', 0);
  code.label('arguments').store('r7', EXEC_EVENT.argvLength, 'r9', 4);
  code
    .mov('r2', 'r7')
    .mov('r3', 'r9')
    .alu('add', 'r3', EXEC_EVENT.argv)
    .mov('r4', RB_NO_WAKEUP)
    .sendPointed();
}
