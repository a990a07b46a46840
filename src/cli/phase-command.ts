import type { Command } from 'commander';
import { UsageError } from '../base/errors.ts';
import { writeToStderr } from './say.ts';

const HELP = `
The trace was started with --phase NAME@key (or any other trigger: this fires it by hand). With --ready, the
name ready tells that the program is ready.

Examples:
  callgate trace --phase main@key -- ./server     in one terminal
  callgate phase main                             in another one`;

/** Registers `callgate phase`. */
export function definePhase(program: Command): void {
  program
    .command('phase')
    .description('enter a phase in a trace that is running')
    .argument('<name>', 'phase to enter')
    .option('--trace <pid>', 'pid of the callgate process, if several are tracing')
    .addHelpText('after', HELP)
    .action(async (name: string, options: { readonly trace?: string }) => {
      const { listSessions, requestPhase } = await import('./control-socket.ts');
      const reply = await requestPhase(chooseSession(listSessions(), options.trace), name);
      if (!reply.ok) throw new UsageError(reply.message);
      writeToStderr(`callgate: ${reply.message}\n`);
    });
}

function chooseSession(sessions: readonly number[], wanted: string | undefined): number {
  if (wanted !== undefined) return Number(wanted);
  const alive = sessions.filter(isAlive);
  if (alive.length === 1) return alive[0] as number;
  if (alive.length === 0) {
    throw new UsageError(
      'phase: no trace with phases is running (start one with callgate trace --phase NAME@key)',
    );
  }
  throw new UsageError(`phase: several traces are running: ${alive.join(', ')} (choose with --trace PID)`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
