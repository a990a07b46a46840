import { LISTEN_EVENT, TASK } from './layout.ts';
import { RB_FORCE_WAKEUP, type ProgramAssembler } from './program.ts';

/** S_IFMT and S_IFSOCK of include/uapi/linux/stat.h. */
const FILE_TYPE = 0o170000;
const SOCKET = 0o140000;

/** State of a socket that listens, of any family; source: include/net/tcp_states.h. */
const TCP_LISTEN = 10;
const IPPROTO_TCP = 6;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Bytes of a Unix address before its path: sun_family. */
const SUN_PATH = 2;
const PATH_SIZE = 108;

/** Places on the stack. */
interface Places {
  readonly nowAt: number;
  readonly eventAt: number;
  readonly spareAt: number;
}

/**
 * The call before this one was a listen: tells its address if the socket listens now. Read here and not from /proc, where a
 * short process would be gone. Keeps r6 to r9 but r6.
 */
export function emitListen(code: ProgramAssembler, { nowAt, eventAt, spareAt }: Places): void {
  const { fields } = code;
  const event = eventAt;
  code.zero(event, LISTEN_EVENT.size).load('r6', 'r7', TASK.listenFd, 4).alu('sub', 'r6', 1);
  code.store('r7', TASK.listenFd, 0, 4);
  code.call('get_current_task_btf');
  code.fetch('r3', 'r0', fields.taskFiles, 8, spareAt).jumpIf('eq', 'r3', 0, 'no listen');
  code.fetch('r3', 'r3', fields.filesTable, 8, spareAt).jumpIf('eq', 'r3', 0, 'no listen');
  code
    .store('r10', event, 'r3', 8)
    .fetch('r1', 'r3', fields.tableSize, 4, spareAt)
    .jumpIf('ge', 'r6', 'r1', 'no listen');
  code.load('r3', 'r10', event, 8).fetch('r3', 'r3', fields.tableFiles, 8, spareAt).alu('lsh', 'r6', 3);
  code.alu('add', 'r3', 'r6').fetch('r6', 'r3', 0, 8, spareAt).jumpIf('eq', 'r6', 0, 'no listen');
  code.fetch('r3', 'r6', fields.fileInode, 8, spareAt).fetch('r1', 'r3', fields.inodeMode, 2, spareAt);
  code.alu('and', 'r1', FILE_TYPE).jumpIf('ne', 'r1', SOCKET, 'no listen');
  code.fetch('r3', 'r6', fields.filePrivate, 8, spareAt).fetch('r6', 'r3', fields.socketSock, 8, spareAt);
  code.fetch('r1', 'r6', fields.sockState, 1, spareAt).jumpIf('ne', 'r1', TCP_LISTEN, 'no listen');
  code.load('r2', 'r7', TASK.entry, 4).beginEvent(event, 'listen', 'r2', nowAt);
  code.load('r1', 'r7', TASK.listenAt, 8).store('r10', event + LISTEN_EVENT.at, 'r1', 8);
  code.fetch('r1', 'r6', fields.sockFamily, 2, spareAt).store('r10', event + LISTEN_EVENT.family, 'r1', 2);
  code.jumpIf('eq', 'r1', AF_UNIX, 'unix').jumpIf('eq', 'r1', AF_INET, 'internet');
  code.jumpIf('ne', 'r1', AF_INET6, 'no listen').label('internet');
  code.fetch('r1', 'r6', fields.sockProtocol, 2, spareAt).jumpIf('ne', 'r1', IPPROTO_TCP, 'no listen');
  code
    .fetch('r1', 'r6', fields.sockPort, 2, spareAt)
    .store('r10', event + LISTEN_EVENT.port, 'r1', 2)
    .jump('listens');
  code.label('unix').fetch('r6', 'r6', fields.unixAddress, 8, spareAt).jumpIf('eq', 'r6', 0, 'no listen');
  code.fetch('r1', 'r6', fields.addressLength, 4, spareAt).store('r10', event + LISTEN_EVENT.length, 'r1', 4);
  code.mov('r3', 'r6').alu('add', 'r3', fields.addressName + SUN_PATH);
  code
    .mov('r1', 'r10')
    .alu('add', 'r1', event + LISTEN_EVENT.path)
    .mov('r2', PATH_SIZE)
    .call('probe_read_kernel');
  code.label('listens').send(event, LISTEN_EVENT.size, RB_FORCE_WAKEUP);
}
