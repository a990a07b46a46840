import { basename } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { formatProfile } from '../profile/save.ts';
import { escapeText } from '../report/escape.ts';
import { formatSummary } from '../report/summary.ts';
import { openLibc } from '../sys/libc.ts';
import { isTerminal } from '../sys/terminal.ts';
import { rawArguments, rawEnvironment } from '../trace/inherited.ts';
import { readExecutable } from '../trace/proc.ts';
import type { MethodChoice } from '../trace/method.ts';
import type { ScopeOptions } from '../trace/scope-target.ts';
import type { TracingPlace } from '../trace/place.ts';
import { beginTrace, type RunningTrace, type TraceOptions } from '../trace/trace.ts';
import { parsePhase, triggerText } from '../trace/trigger.ts';
import { openControlSocket } from './control-socket.ts';
import { endAs } from './end-as.ts';
import { fail } from './failure.ts';
import { onInterrupt } from './interrupts.ts';
import { watchKey } from './key.ts';
import { nameAfter, OutputFile } from './output-file.ts';
import { refuseOwnInput } from './own-input.ts';
import { filesOfCommand } from './program-files.ts';
import { showProgress } from './progress.ts';
import type { LiveTrace } from './live-trace.ts';
import type { TraceArguments } from './trace-command.ts';
import { say, waitForStderr, writeToStderr } from './say.ts';

/** Runs `callgate trace` from checked arguments to exit code. */
export async function runTrace(
  command: readonly string[],
  args: TraceArguments,
  place: () => TracingPlace | undefined,
): Promise<void> {
  checkTarget(command, args);
  let running: RunningTrace | undefined;
  // Before there is a file to clean up; a signal that comes that early is handled once the trace has begun.
  using interrupts = onInterrupt(() => running);
  // Checked before anything runs: a result that could not be kept is found out now.
  const path = args.output ?? defaultOutput(command, args);
  if (path === '-') {
    throw new UsageError(
      'trace: no profile to stdout, where the program writes (-o FILE, or -o /dev/fd/3 with 3>&1 >&2 before the pipe)',
    );
  }
  refuseOwnInput(path, programsOf(command, args));
  const output = OutputFile.prepare(path);
  const withKey = [...(args.phase ?? []), args.ready ?? ''].some((text) => /(^|@)key$/.test(text));
  let live: LiveTrace | null = null;
  const isQuiet = args.quiet === true;
  try {
    live = args.live === undefined ? null : await startLive(command, args, output.path);
    const options = toOptions(command, args, withKey && isTerminal(openLibc(), 0));
    running = beginTrace(
      {
        ...options,
        announce: (choice) => (isQuiet ? null : describeChoice(choice)),
        onEvent: (event) => {
          live?.onEvent(event);
          if (!isQuiet && event.kind === 'fallback') {
            say(`tracing by ${event.method} instead: ${event.reason.replace(/^trace: /, '')}`);
          }
          if (!isQuiet && event.kind === 'notice') say(event.text);
        },
      },
      { place: place() },
    );
    live?.follow(running);
  } catch (error) {
    live?.[Symbol.dispose]();
    output.discard();
    throw error;
  }
  using _control = running.phases.length === 0 && running.ready === null ? null : openControlSocket(running);
  using _key = withKey ? watchKey(running) : null;
  using progress = showProgress(running, args.quiet !== true && args.progress !== false);
  try {
    const { profile, exit, error } = await running.outcome;
    waitForStderr();
    progress.clear();
    const rescue = output.commitOrRescue(formatProfile(profile));
    for (const warning of profile.runs[0]?.warnings ?? []) say(`warning: ${warning}`);
    if (rescue !== null) {
      const { problem } = rescue;
      say(`warning: ${output.path} could not be written, ${problem}; the profile is in ${rescue.path}`);
    }
    if (!isQuiet) writeToStderr(formatSummary(profile, rescue?.path ?? output.path, error));
    await live?.finish({ profile, exit, error }, interrupts.areRecent());
    if (error !== null) fail(error);
    else if (exit !== null) await endAs(exit);
  } catch (error) {
    live?.[Symbol.dispose]();
    output.discard();
    throw error;
  }
}

/** Loaded only when it is asked for: a page takes much that a trace does not. */
async function startLive(command: readonly string[], args: TraceArguments, path: string): Promise<LiveTrace> {
  const { LiveTrace } = await import('./live-trace.ts');
  return await LiveTrace.start(args.live === true ? 0 : (args.live ?? 0), {
    label: basename(path),
    method:
      args.method === undefined || args.method === 'auto'
        ? args.pid === undefined
          ? 'seccomp'
          : 'ptrace'
        : args.method,
    command,
    phases: (args.phase ?? [])
      .map(parsePhase)
      .map((request) => ({ name: request.name, trigger: triggerText(request) })),
  });
}

function checkTarget(command: readonly string[], args: TraceArguments): void {
  if (args.phases === 'none' && args.phase !== undefined) {
    throw new UsageError('trace: --phases none and --phase were both given (one of them, please)');
  }
  const scopes = (['pid', 'cgroup', 'container', 'all'] as const).filter((name) => args[name] !== undefined);
  const [first, second] = scopes;
  if (command.length > 0 && first !== undefined) {
    throw new UsageError(`trace: a command and --${first} were both given (one of them, please)`);
  }
  if (second !== undefined) {
    throw new UsageError(`trace: --${first} and --${second} were both given (one of them, please)`);
  }
  if (command.length === 0 && first === undefined) {
    throw new UsageError(
      'trace: no program was given (callgate trace -- PROGRAM, or callgate trace --pid PID)',
    );
  }
}

/** How it is traced, where that was left to callgate. */
function describeChoice({ method, reason }: MethodChoice): string | null {
  return reason === null
    ? null
    : `callgate: ${escapeText(`tracing by ${method}, for ${reason} (--method chooses another)`)}\n`;
}

/** The files of what is traced: of the program that is started, or of the processes that are attached to. */
function programsOf(command: readonly string[], { pid = [] }: TraceArguments): Iterable<string> {
  const [name] = command;
  return name === undefined ? pid.map((one) => `/proc/${one}/exe`) : filesOfCommand('trace', name);
}

function toOptions(command: readonly string[], args: TraceArguments, keyReadsStdin: boolean): TraceOptions {
  // Arguments that are not UTF-8 survive only as bytes.
  const [, ...rest] = rawArguments(command.length, 'trace');
  return {
    ...(command[0] === undefined
      ? args.pid === undefined
        ? { scope: toScope(args) }
        : { pids: args.pid }
      : { command: [command[0], ...rest] as const, env: rawEnvironment() }),
    ...(args.method === undefined ? {} : { method: args.method }),
    ...(args.errors === undefined ? {} : { errors: args.errors }),
    ...(args.ready === undefined ? {} : { ready: args.ready }),
    ...(args.readyTimeout === undefined ? {} : { readyTimeout: args.readyTimeout }),
    ...(args.workload === undefined ? {} : { workload: args.workload }),
    ...(args.duration === undefined ? {} : { duration: args.duration }),
    ...(args.grace === undefined ? {} : { grace: args.grace }),
    ...(args.keepAwake === undefined ? {} : { keepAwake: args.keepAwake }),
    phases: args.phase ?? [],
    autoPhases: args.phases === 'auto',
    stdin: keyReadsStdin ? 'null' : 'inherit',
  };
}

function toScope({ cgroup, container }: TraceArguments): ScopeOptions {
  if (cgroup !== undefined) return { cgroup };
  return container === undefined ? { all: true } : { container };
}

function defaultOutput(command: readonly string[], args: TraceArguments): string {
  const pid = args.pid?.[0];
  const scope = args.container ?? args.cgroup ?? (args.all === true ? 'machine' : 'process');
  const program = command[0] ?? (pid === undefined ? null : readExecutable(pid)) ?? scope;
  return nameAfter(basename(program) || 'program', '.callgate.json');
}
