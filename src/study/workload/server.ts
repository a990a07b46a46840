import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { WorkloadServer } from './model.ts';
import { fillPlaceholders, type PlaceholderValues } from './placeholders.ts';
import { startShell, tailOf, type Ended, type Surroundings } from './shell.ts';

/** A server that runs for one case or several. */
export interface RunningServer {
  /** Asks it to end, by force if need be; what went wrong from start to end, one line each. */
  stop(): Promise<readonly string[]>;
}

const LOOK_EVERY = 10;

/**
 * Starts a server and waits until it is ready, or has ended, or the time is over; that it is not is told by `stop`.
 *
 * Whether it listens is read from /proc/net: to connect would be a client that the workload does not have.
 *
 * @param limit milliseconds for its start, and again for its end
 */
export async function startServer(
  server: WorkloadServer,
  values: PlaceholderValues,
  at: Surroundings,
  limit: number,
): Promise<RunningServer> {
  const log = join(at.directory, `server-${server.name}.log`);
  // Its own limit is that of its cases, which have theirs.
  const running = startShell(`exec ${fillPlaceholders(server.command, values)}`, at, log, 2 ** 31 - 1);
  const ready = fillPlaceholders(server.ready, values);
  const state: { ended: Ended | null } = { ended: null };
  const end = running.ended.then((how) => (state.ended = how));
  const failures: string[] = [];
  const deadline = Date.now() + limit;
  while (state.ended === null && !isReady(ready) && Date.now() < deadline) await wait(LOOK_EVERY);
  if (state.ended !== null || !isReady(ready)) {
    failures.push(`server ${server.name} is not ready, ${ready}${logText(log)}`);
  }
  return {
    stop: async () => {
      const died = state.ended !== null && failures.length === 0;
      const stopping = startShell(
        fillPlaceholders(server.stop, values),
        at,
        join(at.directory, `stop-${server.name}.log`),
        limit,
      );
      await stopping.ended;
      const how = await Promise.race([end, wait(limit, null, { ref: false })]);
      if (how === null) {
        running.kill();
        await end;
        failures.push(`server ${server.name} did not end (${limit} ms)${logText(log)}`);
      } else if (died) {
        failures.push(`server ${server.name} ended before it was asked to, ${how.exit}${logText(log)}`);
      } else if (
        failures.length === 0 &&
        server.exit !== 'any' &&
        !server.exit.includes(how.exit as number)
      ) {
        failures.push(
          `server ${server.name} ended with ${how.exit} (${server.exit.join(', ')})${logText(log)}`,
        );
      }
      return failures;
    },
  };
}

function isReady(trigger: string): boolean {
  const what = trigger.slice(trigger.indexOf(':') + 1);
  if (trigger.startsWith('file:')) return existsSync(what);
  return /^[0-9]+$/.test(what) ? listensOnPort(Number(what)) : listensOnPath(what);
}

/** /proc/net/tcp: local address is `HEX:PORT`, state 0A is TCP_LISTEN (include/net/tcp_states.h). */
function listensOnPort(port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((table) => {
    if (!existsSync(table)) return false;
    return readFileSync(table, 'latin1')
      .split('\n')
      .some((line) => {
        const fields = line.trim().split(/\s+/);
        return fields[1]?.endsWith(suffix) === true && fields[3] === '0A';
      });
  });
}

/** /proc/net/unix: flags have __SO_ACCEPTCON, 0x10000, for a socket that listens (proc(5)). */
function listensOnPath(path: string): boolean {
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .some((line) => line.endsWith(` ${path}`) && line.trim().split(/\s+/)[3] === '00010000');
}

function logText(log: string): string {
  const text = tailOf(log, 600).trim();
  return text === '' ? '' : `: ${text}`;
}
