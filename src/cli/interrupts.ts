import type { RunningTrace } from '../trace/trace.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Tells a trace when callgate is asked to end, until disposed of. */
export function onInterrupt(running: () => RunningTrace | undefined): Disposable {
  const handlers = INTERRUPTS.map((signal) => [signal, (): void => running()?.interrupt(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    [Symbol.dispose]: () => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
