import { formatDuration } from '../base/duration.ts';
import type { ExitStatus, Host, Profile, Run } from '../profile/model.ts';
import { countProcesses } from '../profile/sets.ts';
import { escapeText, quoteCommand, shorten } from './escape.ts';
import { formatFields, plural } from './table.ts';

/** Runs that are described one by one. */
const RUN_CAP = 10;

/** Programs that are named. */
const PROGRAM_CAP = 12;

const COMMAND_WIDTH = 120;

/** What the profile is about, line by line: programs, runs, hosts, whether anything is missing, warnings. */
export function describeRuns(profile: Profile): readonly string[] {
  const { runs, programs } = profile;
  const fields: (readonly [string, string])[] = [];
  let host: string | null = null;
  for (const [index, run] of runs.slice(0, RUN_CAP).entries()) {
    fields.push(...runFields(run, runs.length === 1 ? 'run' : `run ${index + 1}`));
    const next = describeHost(run.host);
    if (next !== host) fields.push(['host', next]);
    host = next;
  }
  if (runs.length > RUN_CAP) fields.push(['', describeOthers(runs.slice(RUN_CAP))]);
  fields.push(['processes', describeProcesses(profile)]);
  for (const [index, { path }] of programs.slice(0, PROGRAM_CAP).entries()) {
    fields.push([index === 0 ? 'programs' : '', escapeText(path)]);
  }
  if (programs.length > PROGRAM_CAP) fields.push(['', `and ${programs.length - PROGRAM_CAP} more`]);
  return formatFields(fields);
}

/** The command of a run, or what was attached to, cut to a line. */
export function describeCommand({ command, attached }: Run): string {
  const text = command.length === 0 ? '(command not known)' : quoteCommand(command);
  const pids = attached === undefined ? '' : ` (attached to ${attached.join(', ')})`;
  return shorten(text, COMMAND_WIDTH) + pids;
}

/** How a process ended: `exit code 0`, `killed by SIGKILL`; an empty text if that was not seen. */
export function describeExit(exit: ExitStatus | null): string {
  switch (exit?.kind) {
    case undefined:
      return '';
    case 'exited':
      return `exit code ${exit.code}`;
    case 'signaled':
      return `killed by ${escapeText(exit.signal)}${exit.core ? ', core dumped' : ''}`;
    case 'exec':
      return 'replaced by exec';
    case 'detached':
      return 'let go of alive';
  }
}

function runFields(run: Run, label: string): readonly (readonly [string, string])[] {
  const { method, start, duration, complete, incomplete, lost, workload, warnings } = run;
  const state = complete ? 'complete' : 'not complete';
  const facts = [method, start, formatDuration(duration), state];
  if (lost > 0) facts.push(`${plural(lost, 'event')} lost`);
  const ofWorkload = workload === undefined ? '' : describeExit(workload.exit);
  return [
    [label, describeCommand(run)],
    ['', facts.map(escapeText).join(', ')],
    ...incomplete.map((reason) => ['', `not complete: ${escapeText(reason)}`] as const),
    ...warnings.map((warning) => ['', `warning: ${escapeText(warning)}`] as const),
    ...(workload === undefined
      ? []
      : [
          [
            '',
            `workload: ${escapeText(shorten(workload.command, COMMAND_WIDTH))}${ofWorkload === '' ? '' : ` (${ofWorkload})`}`,
          ] as const,
        ]),
  ];
}

function describeHost({ kernel, arch, libc, distribution }: Host): string {
  const parts = [
    `Linux ${kernel} ${arch}`,
    ...(libc === null ? [] : [libc]),
    ...(distribution === null ? [] : [distribution]),
  ];
  return escapeText(parts.join(', '));
}

function describeOthers(runs: readonly Run[]): string {
  const incomplete = runs.filter(({ complete }) => !complete).length;
  const warnings = runs.reduce((sum, run) => sum + run.warnings.length, 0);
  return `and ${plural(runs.length, 'more run')}, ${incomplete} of them not complete, with ${plural(warnings, 'warning')}`;
}

function describeProcesses(profile: Profile): string {
  const threads = profile.processes.reduce((sum, process) => sum + process.threads.length, 0);
  const more = threads === 0 ? '' : `, with ${plural(threads, 'further thread')}`;
  return `${countProcesses(profile)}${more}`;
}
