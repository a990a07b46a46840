import { signalNumber } from '../abi/signals.ts';
import type { ExitStatus } from '../profile/model.ts';

/** Ends callgate the way the program ended: with its exit code, or by the same signal. */
export async function endAs(exit: ExitStatus): Promise<void> {
  if (exit.kind === 'exited') process.exitCode = exit.code;
  if (exit.kind !== 'signaled') return;
  const number = signalNumber(exit.signal) ?? 0;
  process.exitCode = 128 + number;
  const [{ openLibc }, { dieBySignal }] = await Promise.all([
    import('../sys/libc.ts'),
    import('../sys/die.ts'),
  ]);
  dieBySignal(openLibc(), number);
}
