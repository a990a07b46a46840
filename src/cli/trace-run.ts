import { isatty } from 'node:tty';
import { basename } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { formatProfile } from '../profile/save.ts';
import { formatSummary } from '../report/summary.ts';
import { rawArguments, rawEnvironment } from '../trace/inherited.ts';
import { readExecutable } from '../trace/proc.ts';
import type { TracingThread } from '../trace/tracing-thread.ts';
import { startTrace, type RunningTrace, type TraceOptions } from '../trace/trace.ts';
import { openControlSocket } from './control-socket.ts';
import { endAs } from './end-as.ts';
import { fail } from './failure.ts';
import { onInterrupt } from './interrupts.ts';
import { watchKey } from './key.ts';
import { OutputFile } from './output-file.ts';
import { showProgress } from './progress.ts';
import type { TraceArguments } from './trace-command.ts';
import { say, writeToStderr } from './say.ts';

/** Runs `callgate trace` from checked arguments to exit code. */
export async function runTrace(
  command: readonly string[],
  args: TraceArguments,
  thread: TracingThread | undefined,
): Promise<void> {
  checkTarget(command, args);
  let running: RunningTrace | undefined;
  // Before there is a file to clean up; a signal that comes that early is handled once the trace has begun.
  using _interrupts = onInterrupt(() => running);
  // Checked before anything runs: a result that could not be kept is found out now.
  const output = OutputFile.prepare(args.output ?? defaultOutput(command, args));
  const withKey = [...(args.phase ?? []), args.ready ?? ''].some((text) => /(^|@)key$/.test(text));
  try {
    running = startTrace(toOptions(command, args, withKey && isatty(0)), thread);
  } catch (error) {
    output.discard();
    throw error;
  }
  using _control = running.phases.length === 0 && running.ready === null ? null : openControlSocket(running);
  using _key = withKey ? watchKey(running) : null;
  using progress = showProgress(running, args.quiet !== true && args.progress !== false);
  try {
    const { profile, exit, error } = await running.outcome;
    progress.clear();
    const written = output.commit(formatProfile(profile));
    for (const warning of profile.runs[0]?.warnings ?? []) say(`warning: ${warning}`);
    if (written !== output.path)
      say(`warning: ${output.path} could not be written, the profile is in ${written}`);
    if (args.quiet !== true) writeToStderr(formatSummary(profile, written));
    if (error !== null) fail(error);
    else if (exit !== null) await endAs(exit);
  } catch (error) {
    output.discard();
    throw error;
  }
}

function checkTarget(command: readonly string[], args: TraceArguments): void {
  if (command.length > 0 && args.pid !== undefined) {
    throw new UsageError('trace: a command and --pid were both given (one of them, please)');
  }
  if (command.length === 0 && args.pid === undefined) {
    throw new UsageError(
      'trace: no program was given (callgate trace -- PROGRAM, or callgate trace --pid PID)',
    );
  }
}

function toOptions(command: readonly string[], args: TraceArguments, keyReadsStdin: boolean): TraceOptions {
  // Arguments that are not UTF-8 survive only as bytes.
  const [, ...rest] = rawArguments(command.length);
  return {
    ...(command[0] === undefined
      ? { pids: args.pid ?? [] }
      : { command: [command[0], ...rest] as const, env: rawEnvironment() }),
    ...(args.method === undefined ? {} : { method: args.method }),
    ...(args.ready === undefined ? {} : { ready: args.ready }),
    ...(args.readyTimeout === undefined ? {} : { readyTimeout: args.readyTimeout }),
    ...(args.workload === undefined ? {} : { workload: args.workload }),
    ...(args.duration === undefined ? {} : { duration: args.duration }),
    ...(args.grace === undefined ? {} : { grace: args.grace }),
    phases: args.phase ?? [],
    autoPhases: args.phases === 'auto',
    stdin: keyReadsStdin ? 'null' : 'inherit',
  };
}

function defaultOutput(command: readonly string[], args: TraceArguments): string {
  const pid = args.pid?.[0];
  const program = command[0] ?? (pid === undefined ? null : readExecutable(pid)) ?? 'process';
  return `${basename(program) || 'program'}.callgate.json`;
}
