import { type Command, InvalidArgumentError } from 'commander';
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
    .option('--trace <pid>', 'pid of the callgate process, if several are tracing', parsePid)
    .addHelpText('after', HELP)
    .action(async (name: string, options: { readonly trace?: number }) => {
      const { findSessions, requestPhase } = await import('./control-socket.ts');
      const pid = options.trace ?? onlySession(await findSessions());
      const reply = await requestPhase(pid, name);
      if (!reply.ok) throw new UsageError(reply.message);
      writeToStderr(`callgate: ${reply.message}\n`);
    });
}

function onlySession(running: readonly number[]): number {
  if (running.length === 1) return running[0] as number;
  if (running.length === 0) {
    throw new UsageError(
      'phase: no trace with phases is running (start one with callgate trace --phase NAME@key)',
    );
  }
  throw new UsageError(`phase: several traces are running: ${running.join(', ')} (choose with --trace PID)`);
}

function parsePid(value: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(value)) throw new InvalidArgumentError(`${value} is not a process id.`);
  return Number(value);
}
