import {
  EVENT,
  EVENT_TYPE,
  IOVEC,
  OUTPUT_CAP,
  OUTPUT_EVENT,
  OUTPUT_REST,
  ROW_OUTPUT,
  TASK,
  VECTOR_CAP,
} from './layout.ts';
import { RB_FORCE_WAKEUP, type ProgramAssembler } from './program.ts';
import type { StreamFile } from './streams.ts';

/** Places on the stack. */
interface Places {
  readonly tidAt: number;
  readonly argumentsAt: number;
  readonly nowAt: number;
  readonly spareAt: number;
  readonly flagsAt: number;
  /** WORK_SIZE bytes. */
  readonly workAt: number;
}

/** Bytes of the work area: what is still to be sent of a call, and the buffer that is. */
export const WORK_SIZE: number = OUTPUT_REST.size + IOVEC.size;

/**
 * A call writes to a descriptor: if behind it is one of the program's streams, told apart by their inodes and the devices of their file systems, what
 * it writes is sent, up to OUTPUT_CAP bytes of each buffer. What lies in a page that the process has not touched yet cannot be read
 * here: it is remembered until the call returns. Uses r6, keeps r7 to r9.
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
  code
    .jump('no output')
    .label('stream')
    .store('r10', workAt + OUTPUT_REST.stream, 'r6', 4);
  code
    .store('r10', spareAt, 0, 8)
    .lookup('scratch', spareAt)
    .mov('r6', 'r0')
    .jumpIf('eq', 'r6', 0, 'no output');
  code.store('r10', workAt + OUTPUT_REST.first, 0, 8).mov('r2', 0);
  code.load('r1', 'r10', at.flagsAt, 8).jumpIf('set', 'r1', ROW_OUTPUT, 'buffers');
  code.jumpIf('ne', 'r9', 0, 'no output').mov('r2', 1);
  code.label('buffers').store('r10', workAt + OUTPUT_REST.isVector, 'r2', 4);
  for (const [from, to] of [
    [at.argumentsAt + 8, OUTPUT_REST.address],
    [at.argumentsAt + 16, OUTPUT_REST.length],
    [at.nowAt, OUTPUT_REST.time],
  ] as const) {
    code.load('r1', 'r10', from, 8).store('r10', workAt + to, 'r1', 8);
  }
  emitBuffers(code, workAt, 'no output');
  code
    .map('r1', 'outputs')
    .mov('r2', 'r10')
    .alu('add', 'r2', at.tidAt)
    .mov('r3', 'r10')
    .alu('add', 'r3', workAt);
  code.mov('r4', 0).call('map_update_elem').jumpIf('eq', 'r0', 0, 'no output').count('lostOutputs', 1, 8);
}

/**
 * Sends the buffers of a write as far as they can be read, and goes on at `sent` after the last; what follows is reached with what
 * is left in the work area. r6 = the buffer in which an event is put together, r7 = the task's entry in its map; both are kept, as are
 * r8 and r9.
 */
export function emitBuffers(code: ProgramAssembler, workAt: number, sent: string): void {
  const [one, unread] = [code.fresh('one buffer'), code.fresh('unread')];
  const iovecAt = workAt + OUTPUT_REST.size;
  code.load('r1', 'r10', workAt + OUTPUT_REST.isVector, 4).jumpIf('eq', 'r1', 0, one);
  for (let index = 0; index < VECTOR_CAP; index++) {
    const next = code.fresh('next buffer');
    code.load('r1', 'r10', workAt + OUTPUT_REST.length, 8).jumpIf('le', 'r1', index, sent);
    code.load('r1', 'r10', workAt + OUTPUT_REST.first, 4).jumpIf('gt', 'r1', index, next);
    code.store('r10', workAt + OUTPUT_REST.first, index, 4);
    code.load('r3', 'r10', workAt + OUTPUT_REST.address, 8).alu('add', 'r3', index * IOVEC.size);
    code.mov('r1', 'r10').alu('add', 'r1', iovecAt).mov('r2', IOVEC.size).call('probe_read_user');
    code.jumpIf('ne', 'r0', 0, unread);
    sendBuffer(code, workAt, unread);
    code.label(next);
  }
  code.jump(sent).label(one);
  for (const [from, to] of [
    [OUTPUT_REST.address, IOVEC.base],
    [OUTPUT_REST.length, IOVEC.length],
  ] as const) {
    code.load('r1', 'r10', workAt + from, 8).store('r10', iovecAt + to, 'r1', 8);
  }
  sendBuffer(code, workAt, unread);
  code.jump(sent).label(unread);
}

/** Sends the buffer of the struct iovec in the work area, or goes on at `unread`. */
function sendBuffer(code: ProgramAssembler, workAt: number, unread: string): void {
  const [fits, sent] = [code.fresh('fits'), code.fresh('sent')];
  const iovecAt = workAt + OUTPUT_REST.size;
  code
    .load('r2', 'r10', iovecAt + IOVEC.length, 8)
    .jumpIf('le', 'r2', OUTPUT_CAP, fits)
    .mov('r2', OUTPUT_CAP)
    .label(fits);
  code.store('r6', OUTPUT_EVENT.length, 'r2', 4).load('r3', 'r10', iovecAt + IOVEC.base, 8);
  code
    .mov('r1', 'r6')
    .alu('add', 'r1', OUTPUT_EVENT.bytes)
    .call('probe_read_user')
    .jumpIf('ne', 'r0', 0, unread);
  code
    .store('r6', EVENT.type, EVENT_TYPE.output, 4)
    .load('r1', 'r7', TASK.entry, 4)
    .store('r6', EVENT.entry, 'r1', 4);
  code.load('r1', 'r10', workAt + OUTPUT_REST.time, 8).store('r6', EVENT.time, 'r1', 8);
  code.load('r1', 'r10', workAt + OUTPUT_REST.stream, 4).store('r6', OUTPUT_EVENT.stream, 'r1', 4);
  code.load('r3', 'r6', OUTPUT_EVENT.length, 4).jumpIf('gt', 'r3', OUTPUT_CAP, sent);
  code
    .alu('add', 'r3', OUTPUT_EVENT.bytes)
    .mov('r2', 'r6')
    .mov('r4', RB_FORCE_WAKEUP)
    .sendPointed()
    .label(sent);
}
