import type { Command } from 'commander';
import type { TracingPlace } from '../trace/place.ts';
import { newCommandLine, runCommandLine } from './command-line.ts';
import { defineAnalyze } from './analyze-command.ts';
import { defineExplain } from './explain-command.ts';
import { defineTrace } from './trace-command.ts';
import { defineWatch } from './watch-command.ts';
import { defineRun } from './run-command.ts';
import { definePolicy } from './policy-command.ts';
import { defineCheck } from './check-command.ts';
import { defineExport } from './export-command.ts';
import { defineImport } from './import-command.ts';
import { defineCompare } from './compare-command.ts';
import { defineShow } from './show-command.ts';
import { defineMerge } from './merge-command.ts';
import { definePhases } from './phases-command.ts';
import { definePhase } from './phase-command.ts';
import { defineReport } from './report-command.ts';
import { defineStudy } from './study-command.ts';
import { defineDoctor } from './doctor-command.ts';
import { defineCompletion } from './completion-command.ts';

/** The whole command line, for parsing and for completion. */
export function buildProgram(thread: TracingPlace | null = null): Command {
  const program = newCommandLine();
  defineTrace(program, () => thread ?? undefined);
  defineWatch(program);
  defineRun(program, () => thread ?? undefined);
  defineAnalyze(program);
  defineExplain(program);
  definePolicy(program);
  defineCheck(program);
  defineExport(program);
  defineImport(program);
  defineShow(program);
  defineMerge(program);
  definePhases(program);
  defineCompare(program);
  definePhase(program);
  defineReport(program);
  defineStudy(program);
  defineDoctor(program);
  defineCompletion(program, () => buildProgram());
  return program;
}

/** Runs one command line and sets the exit code; `thread` is for tracing, if it has been started already. */
export async function main(argv: readonly string[], thread: TracingPlace | null): Promise<void> {
  await runCommandLine(buildProgram(thread), argv);
}
