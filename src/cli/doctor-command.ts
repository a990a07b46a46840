import type { Command } from 'commander';
import { printResult } from './standard-output.ts';

const EXAMPLES = `
Examples:
  callgate doctor                     what works here, and what to do about the rest
  sudo callgate doctor                the same as root
  callgate doctor --json | jq -r '.checks[] | select(.status != "supported") | .name'

Marks: ok supported, no unsupported, ? undetermined.
Exit codes: 0 programs can be traced, 1 something that this needs is missing, 2 failure.`;

/** Defines `callgate doctor`. */
export function defineDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check what works on this machine, by trying it')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: { json?: true }) => {
      const { gatherFacts } = await import('../doctor/gather.ts');
      const { isTracingSupported, judgeFacts } = await import('../doctor/diagnosis.ts');
      const diagnosis = judgeFacts(await gatherFacts());
      if (options.json === true) {
        await printResult(`${JSON.stringify(diagnosis, null, 2)}\n`);
      } else {
        const { renderDoctor } = await import('../report/doctor.ts');
        await printResult(renderDoctor(diagnosis));
      }
      process.exitCode = isTracingSupported(diagnosis) ? 0 : 1;
    });
}
