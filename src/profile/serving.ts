import { waitCategory } from '../abi/waiting-calls.ts';
import type { Call, Process, Profile } from './model.ts';

/** Calls that take a datagram, in which a server may wait for the next one. */
const RECEIVES: readonly string[] = ['recvfrom', 'recvmsg', 'recvmmsg', 'recvmmsg_time64'];

const SENDS: readonly string[] = ['sendto', 'sendmsg', 'sendmmsg'];

/** Where a process serves: the calls in which it may wait, and the times between which its loop begins. */
export interface Service {
  readonly isWait: (call: Call) => boolean;
  /** The loop cannot begin before this: its sockets were not yet there. */
  readonly ready: number;
  /** The loop has begun at this time at the latest: a client was served; `Infinity` if none was. */
  readonly served: number;
  /** Share of its time that it must spend waiting from then on, where the rest is weak evidence; else 0. */
  readonly share: number;
}

/**
 * How a process serves others, null if it does not.
 *
 * It does if it accepts connections, listens, or was forked (not executed) by one that listens; and, more doubtful,
 * if it binds a socket and receives without sending first. A client, a shell or a build tool polls as well, but does none of this.
 */
export function serviceOf(profile: Profile, process: Process): Service | null {
  const accepted = firstUse(process, ['accept', 'accept4']);
  if (accepted !== null || inheritsListener(profile, process)) {
    const served = accepted ?? Infinity;
    // A socket that is opened while clients are served, such as one for data, belongs to the loop.
    const opened = process.listens.map(({ at }) => at).filter((at) => at <= served);
    return { isWait: isEventWait, ready: Math.max(process.start, ...opened), served, share: 0 };
  }
  return datagramService(process);
}

/** Whether a process waits in the call for the next event: a descriptor, a connection or a signal. */
export function isEventWait({ arch, nr }: Call): boolean {
  return waitCategory(arch, nr) === 'event';
}

/** Whether a process waits in the call for a child. */
export function isChildWait({ arch, nr }: Call): boolean {
  return waitCategory(arch, nr) === 'child';
}

/** Whether the call takes a message from a socket. */
export function isReceive({ name }: Call): boolean {
  return name !== null && RECEIVES.includes(name);
}

/** First use of any of the calls, null if there is none or it has no time. */
function firstUse(process: Process, names: readonly string[]): number | null {
  const times = callsNamed(process, names).flatMap(({ first }) => (first === null ? [] : [first]));
  return times.length === 0 ? null : Math.min(...times);
}

function callsNamed(process: Process, names: readonly string[]): readonly Call[] {
  return process.calls.filter(({ name }) => name !== null && names.includes(name));
}

/** An exec keeps open sockets, too, but who is handed one accepts from it, while all other programs know nothing of it. */
function inheritsListener(profile: Profile, process: Process): boolean {
  let current: Process | undefined = process;
  let until = Infinity;
  while (current !== undefined) {
    const limit = until;
    if (current.listens.some(({ at }) => at <= limit)) return true;
    if (current.birth === 'exec' || current.parent === null) return false;
    until = current.start;
    current = profile.processes[current.parent];
  }
  return false;
}

/**
 * The document does not say what was bound. A resolver binds, too (netlink), so whoever sends between its last bind and
 * its first receive, or connects from then on, is taken for a client; and the wait must make up most of its time.
 */
function datagramService(process: Process): Service | null {
  const bound = Math.max(...callsNamed(process, ['bind']).map(({ last }) => last ?? -Infinity));
  const received = callsNamed(process, RECEIVES)
    .flatMap(({ first, waits: wait }) => wait?.uses ?? (first === null ? [] : [first]))
    .filter((at) => at >= bound);
  if (bound === -Infinity || received.length === 0) return null;
  const served = Math.min(...received);
  const hasConnected = callsNamed(process, ['connect']).some(({ last }) => last !== null && last >= served);
  const hasSentFirst = callsNamed(process, SENDS).some(
    ({ first }) => first !== null && first >= bound && first <= served,
  );
  if (hasConnected || hasSentFirst) return null;
  return { isWait: (call) => isEventWait(call) || isReceive(call), ready: bound, served, share: 0.5 };
}
