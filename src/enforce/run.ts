import { UsageError } from '../base/errors.ts';
import { checkedPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/model.ts';
import { checkRunOptions } from '../trace/option-checks.ts';
import type { TracingPlace } from '../trace/place.ts';
import { beginTrace, type RunningTrace, type TraceOptions } from '../trace/trace.ts';
import { parseTriggers, triggersOf, type PhaseRequest } from '../trace/trigger.ts';
import { compilePolicy } from './filters.ts';
import { checkRehearsable, checkStartable } from './startable.ts';

/** What to run, under which policy, and what to do when something goes wrong. */
export interface RunOptions {
  readonly command: readonly [string, ...(string | Uint8Array)[]];
  readonly policy: Policy;
  /** Deny nothing; tell of each call outside of the policy. */
  readonly audit?: boolean;
  /** What happens to a process that cannot be given its tighter filter; default `kill`. */
  readonly ifStuck?: 'keep' | 'kill';
  readonly env?: readonly (string | Uint8Array)[];
  readonly cwd?: string;
  readonly onEvent?: TraceOptions['onEvent'];
  /** As that of `TraceOptions`. */
  readonly signal?: AbortSignal;
}

/** Triggers that cost nothing to wait for: no stop of the program is needed to notice them. */
const QUIET: ReadonlySet<string> = new Set(['after', 'key']);

/**
 * Starts a program under the filter of the policy's first phase, and follows it until every process has the
 * filter of its last one.
 *
 * While a transition is still to come that shows only in system calls, each call of the processes that wait for it stops
 * twice. A process that has its last filter is released and runs at full speed; with one phase there are no stops but for
 * births, execs and ends, so that a kill can be explained.
 *
 * @throws PolicyError, DocumentError for what is no policy, LaunchError, UsageError, AbortError before anything has been started
 */
export function startRun(options: RunOptions): RunningTrace {
  checkRunOptions(options);
  return beginRun({ ...options, policy: checkedPolicy(options.policy, 'run: policy') });
}

/** As `startRun`, with options and a policy that have been checked; `place` is where it is traced, by default a thread of its own. */
export function beginRun(options: RunOptions, place?: TracingPlace): RunningTrace {
  const { policy, audit = false } = options;
  if (audit) checkRehearsable(policy);
  else checkStartable(policy);
  const phases = policy.phases.slice(1).map(toRequest);
  const stops = phases.flatMap(triggersOf).some(({ kind }) => !QUIET.has(kind));
  return beginTrace(
    {
      command: options.command,
      method: stops ? 'ptrace' : 'seccomp',
      phases,
      autoPhases: false,
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    {
      place,
      enforcement: { filters: compilePolicy(policy, audit), audit, ifStuck: options.ifStuck ?? 'kill' },
    },
  );
}

/** A policy names several triggers where processes differ: `syscall:rt_sigsuspend | syscall:epoll_wait`. */
function toRequest({ name, trigger }: Policy['phases'][number]): PhaseRequest {
  if (trigger === null || trigger === '') {
    throw new UsageError(
      `run: phase ${name} has no trigger, so it is not known when it begins (edit the policy)`,
    );
  }
  const [first, ...alternatives] = parseTriggers(trigger);
  return { name, trigger: first, alternatives };
}
