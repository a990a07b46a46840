import { closeSync, openSync, writeSync } from 'node:fs';
import { milliseconds } from '../base/clock.ts';

/** Where the kernel takes requests for a CPU latency; they hold as long as the file is open (Documentation/power/pm_qos_interface). */
const DEVICE = '/dev/cpu_dma_latency';

/** How often it is looked how many stops there were, milliseconds: while they are frequent, and in the end while they are not. */
const INTERVAL = 10;
const INTERVAL_CAP = 1280;

/** Stops in a millisecond from which on waking processors is a good part of the time. */
const FREQUENT = 1;

/**
 * Keeps idle processors from halting while tracees stop often.
 *
 * A tracee and its tracer take turns, mostly on two processors: one waits while the other works. If the one that waits halts, each
 * turn begins with waking it, which on virtual processors takes several times as long as all else in a stop. The request
 * is for the whole machine and root's to make, so it is given back as soon as stops are rare; the kernel does so if callgate dies.
 */
export class KeepAwake {
  readonly #stops: () => number;
  #fd: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #interval = INTERVAL;
  #seen = 0;
  #since = 0;

  /** `stops` counts all stops until now. A trace begins with many, so the request is made at once. */
  constructor(stops: () => number) {
    this.#stops = stops;
    if (!this.#request()) return;
    this.#note();
    this.#arm();
  }

  /** For good. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#giveBack();
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.#look(), this.#interval).unref();
  }

  #look(): void {
    const rate = (this.#stops() - this.#seen) / Math.max(milliseconds() - this.#since, 1);
    if (rate >= FREQUENT) {
      this.#interval = INTERVAL;
      this.#request();
    } else {
      this.#interval = Math.min(this.#interval * 2, INTERVAL_CAP);
      this.#giveBack();
    }
    this.#note();
    this.#arm();
  }

  #note(): void {
    this.#seen = this.#stops();
    this.#since = milliseconds();
  }

  /** Returns false if it cannot be made: not root, or no such device, as in most containers. */
  #request(): boolean {
    if (this.#fd !== null) return true;
    let fd: number;
    try {
      fd = openSync(DEVICE, 'w');
    } catch {
      return false;
    }
    this.#fd = fd;
    try {
      writeSync(fd, new Uint8Array(4));
      return true;
    } catch {
      this.#giveBack();
      return false;
    }
  }

  #giveBack(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }
}
