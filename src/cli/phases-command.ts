import type { Command } from 'commander';
import { UsageError } from '../base/errors.ts';
import type { Profile } from '../profile/model.ts';
import type { Split } from '../profile/recut.ts';
import { isUnmeasured } from '../profile/unmeasured.ts';

interface PhasesOptions {
  readonly at?: string;
  readonly output?: string;
  readonly json?: boolean;
}

const HELP = `
Without --at: a table of splits, in order of time. SETUP and MAIN are the sizes of the sets before
and after it, BLOCKED is how many calls of setup main does not need. * marks the proposal.

With --at: both sets of one split, and what main would block. The triggers that a profile can be cut at
afterwards:
  syscall:NAME[#n]    the n-th call of NAME, counted in each process
  listen:PORT|PATH    a TCP port or a Unix socket is listened on
  after:DURATION      time since the start, such as 500ms or 2s
  auto                the proposal

Examples:
  callgate phases redis.json
  callgate phases redis.json --at syscall:epoll_wait#2
  callgate phases redis.json --at listen:6379 -o recut.json
  callgate phases redis.json --at auto --json | jq -r '.blocked[].name'`;

/** Registers `callgate phases`. */
export function definePhases(program: Command): void {
  program
    .command('phases')
    .description('show where a profile can be split into setup and main, and what each split gives')
    .argument('<file>', 'profile to read; - for stdin')
    .option('--at <trigger>', 'show the sets of this split')
    .option('-o, --output <file>', 'with --at: write the profile with these phases; - for stdout')
    .option('--json', 'print JSON: an object with format "callgate-splits", with --at "callgate-split"')
    .addHelpText('after', HELP)
    .action(async (file: string, options: PhasesOptions) => {
      if (options.at === undefined && options.output !== undefined) {
        throw new UsageError(
          'phases: -o writes the profile cut at a trigger, but none was given (with --at TRIGGER)',
        );
      }
      const [{ readProfile }, output] = await Promise.all([
        import('./profile-input.ts'),
        import('./standard-output.ts'),
      ]);
      const profile = await readProfile(file);
      if (options.at !== undefined) {
        await showSplit(profile, options.at, options);
        return;
      }
      const { splitTable } = await import('../profile/split-table.ts');
      const rows = splitTable(profile);
      const text =
        options.json === true
          ? (await import('../report/split-json.ts')).formatSplitsJson(rows)
          : (await import('../report/split-text.ts')).formatSplits(
              rows,
              output.outputWidth(),
              !profile.processes.some(isUnmeasured),
            );
      await output.printResult(text);
    });
}

async function showSplit(profile: Profile, trigger: string, options: PhasesOptions): Promise<void> {
  const split = await findSplit(profile, trigger);
  if (options.output !== undefined) {
    const [{ recut }, { writeProfile }] = await Promise.all([
      import('../profile/recut.ts'),
      import('./profile-output.ts'),
    ]);
    await writeProfile(recut(profile, split), options.output);
    // The profile alone is a document; with the sets behind it, it would be none.
    if (options.output === '-') return;
  }
  const { outputWidth, printResult } = await import('./standard-output.ts');
  const text =
    options.json === true
      ? (await import('../report/split-json.ts')).formatRecutJson(profile, split)
      : (await import('../report/split-text.ts')).formatRecut(profile, split, outputWidth());
  await printResult(text);
}

async function findSplit(profile: Profile, text: string): Promise<Split> {
  if (text === 'auto') {
    const { autoSplit } = await import('../profile/phase-proposals.ts');
    const split = autoSplit(profile);
    if (split !== null) return split;
    if (profile.processes.some(isUnmeasured)) {
      const { UNMEASURED } = await import('../report/split-text.ts');
      throw new UsageError(`phases: nothing to propose, ${UNMEASURED}`);
    }
    throw new UsageError(
      'phases: nothing to propose, no process sets itself up and then serves others (give a trigger)',
    );
  }
  const [{ splitAt }, { parseTrigger }] = await Promise.all([
    import('../profile/splits.ts'),
    import('../trace/trigger.ts'),
  ]);
  const trigger = parseTrigger(text);
  switch (trigger.kind) {
    case 'syscall':
    case 'listen':
    case 'after':
      return splitAt(profile, trigger);
    case 'symbol':
    case 'output':
    case 'key':
      throw new UsageError(
        `phases: a profile does not hold when ${trigger.text} fires (syscall:NAME[#n], listen:PORT|PATH and after:DURATION can be found afterwards; for others trace again with --phase NAME@TRIGGER)`,
      );
  }
}
