import { readFileSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { becomeProgram } from '../enforce/become.ts';
import { learnViolations, openedCalls } from '../enforce/learn.ts';
import { beginRun } from '../enforce/run.ts';
import { buildPolicy } from '../policy/build.ts';
import { formatLabel } from '../policy/call-label.ts';
import { parsePolicy } from '../policy/load.ts';
import type { Policy } from '../policy/model.ts';
import { findProgram } from '../policy/policy-sets.ts';
import { formatPolicyJson, formatPolicyYaml } from '../policy/save.ts';
import { plainWhy } from '../policy/why.ts';
import { ViolationTally } from '../report/violation-tally.ts';
import { escapeText } from '../report/escape.ts';
import { describeSight, describeViolation, formatViolations } from '../report/violations.ts';
import type { HappeningEvent, TraceOutcome } from '../trace/trace.ts';
import { rawArguments, rawEnvironment } from '../trace/inherited.ts';
import type { TracingPlace } from '../trace/place.ts';
import { openControlSocket } from './control-socket.ts';
import { endAs } from './end-as.ts';
import { fail } from './failure.ts';
import { onInterrupt } from './interrupts.ts';
import { OutputFile } from './output-file.ts';
import { refuseOwnInput } from './own-input.ts';
import { readProfile } from './profile-input.ts';
import { filesOfCommand } from './program-files.ts';
import { describeReadFailure } from '../base/read-failure.ts';
import type { RunArguments } from './run-command.ts';
import { say, waitForStderr } from './say.ts';
import { ViolationReport } from './violation-report.ts';

/** Runs `callgate run` from checked arguments to exit code. */
export async function runEnforced(
  command: readonly string[],
  args: RunArguments,
  place: () => TracingPlace | undefined,
): Promise<void> {
  const audit = args.audit === true || args.learn === true;
  checkArguments(args, audit);
  const policy = await readPolicy(args);
  const [, ...rest] = rawArguments(command.length, 'run');
  const program = [command[0] as string, ...rest] as const;
  if (args.exec === true) {
    // Does not return: this process is the program from here on.
    becomeProgram(policy, program, rawEnvironment());
  }
  // Checked before anything runs: a policy that could not be extended, or a report that could not be written, is found out now.
  const files = openFiles(args, program[0]);
  const phases = policy.phases.map(({ name }) => name);
  if (files.report !== null && !audit && args.quiet !== true) say(`report: ${describeSight(policy)}`);
  const tally = new ViolationTally(policy);
  let wasKilled = false;
  const onEvent = (event: HappeningEvent): void => {
    if (event.kind === 'violation') {
      tally.add(event.violation);
      files.report?.add(event.violation);
      wasKilled ||= event.violation.outcome === 'killed';
    }
    tell(event, phases, args, policy);
  };
  let outcome: TraceOutcome;
  try {
    const running = beginRun(
      { command: program, policy, audit, ifStuck: args.ifStuck, env: rawEnvironment(), onEvent },
      place(),
    );
    using _interrupts = onInterrupt(() => running);
    using _control = running.phases.length === 0 ? null : openControlSocket(running);
    outcome = await running.outcome;
    waitForStderr();
  } catch (error) {
    files.report?.discard();
    files.learned?.discard();
    throw error;
  }
  const { exit, error, profile } = outcome;
  for (const warning of profile.runs[0]?.warnings ?? []) say(`warning: ${warning}`);
  if (!wasKilled && isUnexplainedKill(outcome))
    say(`${command[0] ?? ''} was killed by SIGSYS ${UNEXPLAINED}`);
  if (audit) for (const line of formatViolations(tally, phases)) say(line);
  if (tally.total === 0) files.learned?.discard();
  else if (files.learned !== null) learn(files.learned, policy, tally, command);
  files.report?.end();
  if (error !== null) fail(error);
  else if (audit && tally.total > 0) process.exitCode = 1;
  else if (exit !== null) await endAs(exit);
}

const UNEXPLAINED =
  'after it had been let go of: a call outside of its last phase, which --audit shows (callgate does not follow it by then)';

/** Whether a filter seems to have killed the program when nobody looked any more: one that is traced may have sent itself the signal. */
function isUnexplainedKill({ exit, profile }: TraceOutcome): boolean {
  if (exit?.kind !== 'signaled' || exit.signal !== 'SIGSYS') return false;
  const root = profile.processes[0]?.pid;
  return profile.processes.findLast(({ pid }) => pid === root)?.exit?.kind === 'detached';
}

function checkArguments(args: RunArguments, audit: boolean): void {
  if ((args.policy === undefined) === (args.profile === undefined)) {
    throw new UsageError('run: give either --policy FILE or --profile FILE');
  }
  if (args.learn === true && args.policy === undefined) {
    throw new UsageError(
      'run: --learn adds to a policy, so it needs --policy FILE (callgate policy makes one)',
    );
  }
  if (args.learn === true && args.policy === '-') {
    throw new UsageError('run: --learn extends the file of the policy, and stdin (-) is none');
  }
  if (args.exec === true && (audit || args.report !== undefined)) {
    throw new UsageError('run: --exec leaves nothing that could audit or report');
  }
}

async function readPolicy(args: RunArguments): Promise<Policy> {
  if (args.profile !== undefined) {
    const { policy, notes } = buildPolicy([await readProfile(args.profile)]);
    if (args.quiet !== true) for (const note of notes) say(`note: ${note}`);
    return policy;
  }
  const path = args.policy as string;
  const source = path === '-' ? 'stdin' : escapeText(path);
  let bytes: Uint8Array;
  try {
    // Not by process.stdin: that makes a pipe non-blocking, for the program as well.
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw new UsageError(`run: cannot read ${source}, ${escapeText(describeReadFailure(error))}`, {
      cause: error,
    });
  }
  return parsePolicy(new TextDecoder().decode(bytes), source);
}

/** What a person wants to know while the program runs: a denial, a filter that could not be installed. */
function tell(event: HappeningEvent, phases: readonly string[], args: RunArguments, policy: Policy): void {
  if (event.kind === 'violation' && event.violation.outcome !== 'allowed') {
    say(describeViolation(event.violation, phases));
    const { policy: file = 'a policy made with callgate policy' } = args;
    const where = file === '-' ? 'the policy' : file;
    say(
      `to allow it, add it to phase ${phases[event.violation.phase] ?? ''} of ${where}, or run with --learn`,
    );
  }
  if (event.kind === 'notice' && args.quiet !== true) say(event.text);
  if (event.kind !== 'filtered') return;
  const { pid, phase, program, problem } = event;
  const whose = program === null ? '' : ` for ${program.path}`;
  if (problem === null) {
    if (args.quiet !== true) {
      const { calls: whole = [], programs = [] } = policy.phases[phase] ?? {};
      const own = program === null ? undefined : findProgram(programs, program);
      const calls = (own?.calls ?? whole).length;
      const held =
        args.audit === true || args.learn === true
          ? `would be held to ${calls} calls from now on (nothing is denied)`
          : `is held to ${calls} calls now`;
      say(`phase ${phases[phase] ?? phase}${whose}: pid ${pid} ${held}`);
    }
    return;
  }
  const consequence = args.ifStuck === 'kill' ? 'it is killed (--if-stuck keep lets it go on)' : 'it goes on';
  say(
    `phase ${phases[phase] ?? phase}${whose}: pid ${pid} could not be held to it, ${problem}; ${consequence}`,
  );
}

function learn(output: OutputFile, policy: Policy, tally: ViolationTally, command: readonly string[]): void {
  const day = new Date().toISOString().slice(0, 10);
  const learned = learnViolations(
    policy,
    tally.learnable,
    plainWhy(`learned from an audit of ${command[0] ?? ''} on ${day}`),
  );
  const text = output.path.endsWith('.json') ? formatPolicyJson(learned) : formatPolicyYaml(learned);
  const rescue = output.commitOrRescue(text);
  say(
    rescue === null
      ? `learned: ${output.path} has been extended; read it before you rely on it`
      : `warning: ${output.path} could not be extended, ${rescue.problem}; the extended policy is in ${rescue.path}`,
  );
  const native = policy.arches[0]?.arch ?? 'x86_64';
  for (const { call, detail } of openedCalls(policy, learned)) say(`${formatLabel(call, native)}: ${detail}`);
  if (tally.unlearned > 0) {
    say(
      `not learned: ${tally.unlearned} times a call beyond ${tally.learnable.length} others; --learn again adds more`,
    );
  }
}

/** The files that are written: of violations as they come, the policy at the end. */
function openFiles(
  args: RunArguments,
  program: string,
): { report: ViolationReport | null; learned: OutputFile | null } {
  const input = args.policy ?? args.profile;
  if (args.report !== undefined) {
    if (input !== undefined) refuseOwnInput(args.report, [input], '--report');
    refuseOwnInput(args.report, filesOfCommand('run', program), '--report');
  }
  const learned =
    args.learn === true
      ? OutputFile.prepare(args.policy as string, '--learn extends it; give a copy with --policy')
      : null;
  try {
    const report =
      args.report === undefined
        ? null
        : new ViolationReport(OutputFile.prepare(args.report, 'choose another file with --report'));
    return { report, learned };
  } catch (error) {
    learned?.discard();
    throw error;
  }
}
