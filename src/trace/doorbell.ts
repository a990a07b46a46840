import { writeSync } from 'node:fs';
import { closeDescriptor } from '../sys/descriptor.ts';
import type { TraceEvent } from './backend.ts';

const SIGUSR1 = 'SIGUSR1';

/**
 * Ends the wait in which a back end is most of the time: a process that it traces gets a signal, or an eventfd that it polls is
 * written to.
 */
export class Doorbell implements Disposable {
  #bell: { readonly pid: number } | { readonly eventfd: number } | null = null;

  /** Notes where the back end listens, if that is what an event says; returns whether it is. */
  note(event: TraceEvent): boolean {
    if (event.kind === 'doorbell') this.#bell = { pid: event.pid };
    else if (event.kind === 'eventfd') this.#bell = { eventfd: event.fd };
    else return false;
    return true;
  }

  /** Does nothing as long as there is no doorbell yet: whoever notes it then rings it for the commands that wait. */
  ring(): void {
    if (this.#bell === null) return;
    if ('eventfd' in this.#bell) {
      writeSync(this.#bell.eventfd, new Uint8Array(BigUint64Array.of(1n).buffer));
      return;
    }
    try {
      process.kill(this.#bell.pid, SIGUSR1);
    } catch {
      // The back end has let go of the doorbell: its result is on the way.
    }
  }

  /** When the back end is done. */
  [Symbol.dispose](): void {
    if (this.#bell !== null && 'eventfd' in this.#bell) closeDescriptor(this.#bell.eventfd);
    this.#bell = null;
  }
}
