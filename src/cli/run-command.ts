import { type Command, Option } from 'commander';
import type { TracingPlace } from '../trace/place.ts';

/** Options of `callgate run` as commander hands them over. */
export interface RunArguments {
  readonly policy?: string;
  readonly profile?: string;
  readonly audit?: boolean;
  readonly learn?: boolean;
  readonly ifStuck: 'keep' | 'kill';
  readonly report?: string;
  readonly exec?: boolean;
  readonly quiet?: boolean;
}

const HELP = `
The filter of the first phase is in force from the program's first instruction. When a process enters a later phase
(the policy says by which trigger), it gets the tighter filter and is let go of: it then runs at full speed,
under the kernel's eyes alone. If callgate is killed before that, the program is killed too.

The kernel tells nobody of a call that it lets fail (errno:NAME, as policies have it by default). Of a kill callgate is
told while it follows the program, and says for which call. Only with --audit does it see each call outside of the policy.

Examples:
  callgate trace -o redis.json --ready listen:6379 --workload 'redis-benchmark -q' -- redis-server
  callgate policy redis.json -o redis.yaml
  callgate run --policy redis.yaml --audit -- redis-server    deny nothing, tell what would be denied
  callgate run --policy redis.yaml -- redis-server            for good
  callgate run --policy redis.yaml --learn -- redis-server    add what an audit finds to the policy
  callgate run --policy tool.yaml --exec -- ./tool            callgate becomes the program: nothing of it is left

The program ends callgate as it ends itself: by its exit code, or by the same signal. With --audit the exit code is 1
if a call was outside of the policy.`;

/** Registers `callgate run`; `place` gives where it follows the program, or nothing for a thread that is still to be started. */
export function defineRun(program: Command, place: () => TracingPlace | undefined): void {
  program
    .command('run')
    .description('run a program under a policy, phase by phase')
    .usage('[options] -- COMMAND [ARGUMENT...]')
    .argument('<command...>', 'program to run and its arguments')
    .option('--policy <file>', 'policy to enforce; - for stdin, of which the program then has nothing')
    .option(
      '--profile <file>',
      'make the policy from this profile, with the defaults of callgate policy; - for stdin',
    )
    .option('--audit', 'deny nothing; tell of each call outside of the policy')
    .option('--learn', 'audit, and add what was found to the policy file')
    .addOption(
      new Option('--if-stuck <action>', 'what to do with a process that cannot get its tighter filter')
        .choices(['keep', 'kill'])
        .default('kill'),
    )
    .option(
      '--report <file>',
      'write what is seen of violations there, a JSON object a line: each with --audit, else kills',
    )
    .option('--exec', 'become the program instead of following it (policies of one phase)')
    .option('-q, --quiet', 'errors and kills only')
    .addHelpText('after', HELP)
    .passThroughOptions()
    .action(async (command: string[], options: RunArguments) => {
      const { runEnforced } = await import('./run-run.ts');
      await runEnforced(command, options, place);
    });
}
