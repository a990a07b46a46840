import { writeSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { TracingThread } from '../trace/tracing-thread.ts';
import { VERSION } from '../base/version.ts';
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
import { fail } from './failure.ts';

const EXAMPLES = `
Examples:
  callgate trace -- ls -l                       what does ls call?
  callgate show ls.callgate.json                read the profile
  callgate trace --ready listen:6379 --workload 'redis-benchmark -q -n 10000' \\
      -o redis.json -- redis-server --port 6379  a server under load, ended afterwards
  callgate doctor                               what works on this machine

Exit codes: 0 done, 1 findings, 2 usage or failure; trace ends as the program did
(127 not found, 126 not executable).`;

/** The whole command line, for parsing and for completion. */
export function buildProgram(thread: TracingThread | null = null): Command {
  const program = new Command('callgate');
  program
    .description('Finds out which Linux system calls a program needs, and locks it down to them.')
    .version(VERSION, '-V, --version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', EXAMPLES)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: printHelp,
      outputError: (text, write) => write(`callgate: ${text.replace(/^error: /, '')}`),
    })
    .exitOverride();
  defineTrace(program, thread);
  defineWatch(program);
  defineRun(program, thread);
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

/** Not by process.stdout: a reader that has seen enough, such as head(1), is no failure. */
function printHelp(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // There is nobody to read it.
  }
}

/** Runs one command line and sets the exit code; `thread` is for tracing, if it has been started already. */
export async function main(argv: readonly string[], thread: TracingThread | null): Promise<void> {
  try {
    await buildProgram(thread).parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end by way of an error with exit code 0.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      fail(error);
    }
  }
}
