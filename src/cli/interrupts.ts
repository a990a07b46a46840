import type { RunningTrace } from '../trace/trace.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Time in which a program ends that is asked to, nanoseconds: one that lives on longer did not take it so. */
const RECENT = 5_000_000_000n;

export interface Interrupts extends Disposable {
  /** Whether callgate was asked to end, and that may be why the program has ended just now. */
  areRecent(): boolean;
}

/** Tells a trace when callgate is asked to end, until disposed of. */
export function onInterrupt(running: () => RunningTrace | undefined): Interrupts {
  let last: bigint | null = null;
  const handlers = INTERRUPTS.map((signal) => {
    const handler = (): void => {
      last = process.hrtime.bigint();
      running()?.interrupt(signal);
    };
    return [signal, handler] as const;
  });
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    areRecent: () => last !== null && process.hrtime.bigint() - last < RECENT,
    [Symbol.dispose]: () => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
