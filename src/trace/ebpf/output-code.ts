import { EVENT, EVENT_TYPE, OUTPUT_CAP, OUTPUT_EVENT, ROW_OUTPUT, TASK } from './layout.ts';
import { RB_FORCE_WAKEUP, type ProgramAssembler } from './program.ts';
import type { StreamFile } from './streams.ts';

/** Buffers of a writev that are looked at. */
const VECTOR_CAP = 8;

/** Places on the stack. */
interface Places {
  readonly argumentsAt: number;
  readonly nowAt: number;
  readonly spareAt: number;
  readonly flagsAt: number;
  /** 32 bytes. */
  readonly workAt: number;
}

/**
 * A call writes to a descriptor: if behind it is one of the program's streams, told apart by their inodes and the devices of their file systems, what
 * it writes is sent, up to OUTPUT_CAP bytes of each buffer. Uses r6, keeps r7 to r9.
 */
export function emitOutput(code: ProgramAssembler, streams: readonly StreamFile[], at: Places): void {
  const { fields } = code;
  const { spareAt, workAt } = at;
  code.call('get_current_task_btf');
  code.fetch('r3', 'r0', fields.taskFiles, 8, spareAt).jumpIf('eq', 'r3', 0, 'no output');
  code.fetch('r6', 'r3', fields.filesTable, 8, spareAt).jumpIf('eq', 'r6', 0, 'no output');
  code.fetch('r1', 'r6', fields.tableSize, 4, spareAt).load('r2', 'r10', at.argumentsAt, 4);
  code.jumpIf('ge', 'r2', 'r1', 'no output').fetch('r3', 'r6', fields.tableFiles, 8, spareAt);
  code.load('r2', 'r10', at.argumentsAt, 4).alu('lsh', 'r2', 3).alu('add', 'r3', 'r2');
  code.fetch('r3', 'r3', 0, 8, spareAt).jumpIf('eq', 'r3', 0, 'no output');
  code.fetch('r6', 'r3', fields.fileInode, 8, spareAt).read(workAt, 'r6', fields.inodeNumber, 8);
  code.fetch('r3', 'r6', fields.inodeSuper, 8, spareAt).fetch('r6', 'r3', fields.superDevice, 4, spareAt);
  code.load('r2', 'r10', workAt, 8);
  for (const [index, { inode, device }] of streams.entries()) {
    const other = code.fresh('other stream');
    code.constant('r1', inode).jumpIf('ne', 'r2', 'r1', other);
    if (device !== null) code.constant('r1', device).jumpIf('ne', 'r6', 'r1', other);
    code.mov('r6', index).jump('stream').label(other);
  }
  code.jump('no output').label('stream').store('r10', workAt, 'r6', 8);
  code
    .store('r10', spareAt, 0, 8)
    .lookup('scratch', spareAt)
    .mov('r6', 'r0')
    .jumpIf('eq', 'r6', 0, 'no output');
  code.load('r1', 'r10', at.flagsAt, 8).jumpIf('set', 'r1', ROW_OUTPUT, 'one buffer');
  code.jumpIf('ne', 'r9', 0, 'no output');
  for (let index = 0; index < VECTOR_CAP; index++) {
    code.load('r1', 'r10', at.argumentsAt + 16, 8).jumpIf('le', 'r1', index, 'no output');
    code.load('r3', 'r10', at.argumentsAt + 8, 8).alu('add', 'r3', index * 16);
    code
      .mov('r1', 'r10')
      .alu('add', 'r1', workAt + 8)
      .mov('r2', 16)
      .call('probe_read_user');
    code.jumpIf('ne', 'r0', 0, 'no output');
    sendBuffer(code, at);
  }
  code.jump('no output').label('one buffer');
  code.load('r1', 'r10', at.argumentsAt + 8, 8).store('r10', workAt + 8, 'r1', 8);
  code.load('r1', 'r10', at.argumentsAt + 16, 8).store('r10', workAt + 16, 'r1', 8);
  sendBuffer(code, at);
}

/** Sends the buffer whose address and length stand 8 bytes into the work area, as in a struct iovec. */
function sendBuffer(code: ProgramAssembler, { workAt, nowAt }: Places): void {
  const [fits, sent] = [code.fresh('fits'), code.fresh('sent')];
  code
    .load('r2', 'r10', workAt + 16, 8)
    .jumpIf('le', 'r2', OUTPUT_CAP, fits)
    .mov('r2', OUTPUT_CAP)
    .label(fits);
  code.store('r6', OUTPUT_EVENT.length, 'r2', 4).load('r3', 'r10', workAt + 8, 8);
  code
    .mov('r1', 'r6')
    .alu('add', 'r1', OUTPUT_EVENT.bytes)
    .call('probe_read_user')
    .jumpIf('ne', 'r0', 0, sent);
  code
    .store('r6', EVENT.type, EVENT_TYPE.output, 4)
    .load('r1', 'r7', TASK.entry, 4)
    .store('r6', EVENT.entry, 'r1', 4);
  code.load('r1', 'r10', nowAt, 8).store('r6', EVENT.time, 'r1', 8);
  code.load('r1', 'r10', workAt, 8).store('r6', OUTPUT_EVENT.stream, 'r1', 4);
  code.load('r3', 'r6', OUTPUT_EVENT.length, 4).jumpIf('gt', 'r3', OUTPUT_CAP, sent);
  code
    .alu('add', 'r3', OUTPUT_EVENT.bytes)
    .mov('r2', 'r6')
    .mov('r4', RB_FORCE_WAKEUP)
    .sendPointed()
    .label(sent);
}
