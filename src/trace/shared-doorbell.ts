import { milliseconds } from '../base/clock.ts';
import type { TraceEvent } from './backend.ts';
import { Doorbell } from './doorbell.ts';

/** What the word is once nothing is traced any more. */
const OVER = -(2 ** 31);

/**
 * Where the doorbell of a tracing thread is, in one word of memory that threads share: for a thread that hears of no events any more, because its
 * process is about to end. 0: nowhere yet; a pid; or -1 - N for an eventfd N.
 */
export class SharedDoorbell {
  readonly word: Int32Array;

  constructor(word: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.word = word;
  }

  /** Notes where the back end listens, if that is what an event says. */
  note(event: TraceEvent): void {
    if (event.kind === 'doorbell') this.#set(event.pid);
    else if (event.kind === 'eventfd') this.#set(-1 - event.fd);
  }

  /** Nothing is traced any more. */
  end(): void {
    this.#set(OVER);
  }

  /** Does nothing as long as there is no doorbell. */
  ring(): void {
    this.#ring(Atomics.load(this.word, 0));
  }

  /** Blocks until nothing is traced any more, or until a time of milliseconds(), and rings each doorbell that there comes to be. */
  ringUntilOver(deadline: number): void {
    for (;;) {
      const seen = Atomics.load(this.word, 0);
      const rest = deadline - milliseconds();
      if (seen === OVER || rest <= 0) return;
      this.#ring(seen);
      Atomics.wait(this.word, 0, seen, rest);
    }
  }

  #ring(value: number): void {
    if (value === 0 || value === OVER) return;
    const doorbell = new Doorbell();
    doorbell.note(value > 0 ? { kind: 'doorbell', pid: value } : { kind: 'eventfd', fd: -1 - value });
    doorbell.ring();
  }

  #set(value: number): void {
    Atomics.store(this.word, 0, value);
    Atomics.notify(this.word, 0);
  }
}
