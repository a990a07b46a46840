import { createServer, type Server } from 'node:net';
import { WorkloadError } from './error.ts';

/** Below the range from which Linux takes ports for outgoing connections. */
const LOWEST = 12_000;
const HIGHEST = 31_999;
const ATTEMPTS = 200;

/** TCP ports on loopback that no other workload on this machine uses. */
export interface ReservedPorts {
  /** By the names that were asked for. */
  readonly ports: ReadonlyMap<string, number>;
  release(): void;
}

/**
 * Finds free ports and keeps them from other workloads, in other processes too, until released.
 *
 * The port itself is left free, for the program is to bind it. What is held is an abstract Unix socket of its number, which the kernel
 * takes back however this process ends.
 *
 * @throws WorkloadError if none are free
 */
export async function reservePorts(names: readonly string[]): Promise<ReservedPorts> {
  const held: Server[] = [];
  const ports = new Map<string, number>();
  const release = (): void => {
    for (const server of held) server.close();
  };
  for (const name of names) {
    let found = false;
    for (let attempt = 0; attempt < ATTEMPTS && !found; attempt++) {
      const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
      const lock = await listen({ path: `\0callgate-workload-port-${port}` });
      if (lock === null) continue;
      const probe = await listen({ port, host: '127.0.0.1' });
      if (probe === null) {
        lock.close();
        continue;
      }
      await new Promise((resolve) => probe.close(resolve));
      lock.unref();
      held.push(lock);
      ports.set(name, port);
      found = true;
    }
    if (!found) {
      release();
      throw new WorkloadError(`workload: no free port, ${name} (${ATTEMPTS} tried)`);
    }
  }
  return { ports, release };
}

function listen(where: { path: string } | { port: number; host: string }): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(where, () => resolve(server));
  });
}
