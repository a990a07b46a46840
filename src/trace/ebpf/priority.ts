import { constants, getPriority } from 'node:os';
import { otherThreads, setNiceness } from '../../base/thread-priority.ts';
import { readStatus } from '../proc.ts';

const CAP_SYS_NICE = 23n;

/**
 * Lets callgate work only when nobody else wants the processor, so that it does not slow down what it measures: it reads
 * what the programs have counted, which can wait.
 */
export class Priority {
  readonly #given: number = getPriority();
  #lowered: readonly number[] = [];

  /**
   * Without the capability to come back nothing is done. `main` says whether the main thread waits as well: what it starts
   * meanwhile inherits that.
   */
  lower(main: boolean): void {
    const effective = readStatus('self')?.get('CapEff');
    if (effective === undefined || ((BigInt(`0x${effective}`) >> CAP_SYS_NICE) & 1n) === 0n) return;
    this.#lowered = [...otherThreads(), ...(main ? [process.pid] : [])];
    setNiceness(this.#lowered, constants.priority.PRIORITY_LOW);
  }

  restore(): void {
    setNiceness(this.#lowered, this.#given);
    this.#lowered = [];
  }
}
