import { milliseconds } from '../../base/clock.ts';
import type { Attachment } from './attachment.ts';

/** Time until the next look in milliseconds: the first, and the longest. It grows, for a task may be on a processor all the time. */
const FIRST = 20;
const LONGEST = 10_000;

/** Looks for the calls in which tasks sit that ran before the programs were attached, until it is known of all. */
export class Pending {
  readonly #attachment: Attachment;
  #interval = FIRST;
  #next = 0;
  #isDone = false;

  /** Looks for the first time. */
  constructor(attachment: Attachment) {
    this.#attachment = attachment;
    this.look();
  }

  /** To be called every now and then. */
  look(): void {
    const now = milliseconds();
    if (this.#isDone || now < this.#next) return;
    this.#isDone = this.#attachment.findPending();
    this.#next = now + this.#interval;
    this.#interval = Math.min(2 * this.#interval, LONGEST);
  }
}
