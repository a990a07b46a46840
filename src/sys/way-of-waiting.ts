/** Stops after which the way of waiting is judged, and for which the other way is tried in between. */
const WINDOW = 200;

/** Longest interval between trials, in windows; it doubles from 2 each time a trial changes nothing. */
const TRIAL_INTERVAL_CAP = 64;

/** A longer time between two stops says how long the tracees slept, not what a stop costs; milliseconds. */
const ASLEEP = 1;

/**
 * Chooses between polling and blocking by the time from stop to stop, which is all that shows what a stop costs: it does what was
 * cheaper, and tries the other way now and then.
 *
 * What the tracees do between their stops is in that time too, and it comes in bouts: a program that begins takes ten times
 * as long from call to call as one that works. A trial is therefore as long as what it is compared with: one of 50 stops fell
 * into a bout or between two, and the dearer way was taken for four stops of five in a tree of short processes.
 */
export class WayOfWaiting {
  /** Mean time from stop to stop by each way, milliseconds: polling first, and blocking at once. */
  readonly #cost: [number, number] = [0, 0];
  #way: 0 | 1 = 0;
  #stops = 0;
  /** Time in this window so far. */
  #busy = 0;
  /** Windows until the other way is tried. */
  #untilTrial = 2;
  #interval = 2;
  #isTrial = false;

  /** Whether to poll before blocking. */
  get polls(): boolean {
    return this.#way === 0;
  }

  /** Notes the time from one stop to the next, in milliseconds. */
  note(cycle: number): void {
    if (cycle >= ASLEEP) return;
    this.#busy += cycle;
    if (++this.#stops >= WINDOW) this.#judge();
  }

  #judge(): void {
    this.#cost[this.#way] = this.#busy / this.#stops;
    this.#stops = 0;
    this.#busy = 0;
    const other = this.#way === 0 ? 1 : 0;
    if (this.#isTrial) {
      this.#isTrial = false;
      const won = this.#cost[this.#way] < this.#cost[other];
      // A trial that changes nothing is a cost: the next comes later.
      this.#interval = won ? 2 : Math.min(this.#interval * 2, TRIAL_INTERVAL_CAP);
      this.#untilTrial = this.#interval;
      if (!won) this.#way = other;
    } else if (--this.#untilTrial <= 0) {
      this.#isTrial = true;
      this.#way = other;
    }
  }
}
