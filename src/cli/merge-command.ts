import type { Command } from 'commander';
import { writeToStderr } from './say.ts';

const HELP = `
Runs and processes stay as they are, one beside the other; programs and phases of the same name become one. A
run that is there twice is taken once. Phases get an order that is that of every run; if there is none, nothing is
merged. A run that lacks some of the phases keeps saying so, and policy refuses to mix such runs, but for those without any.
How many calls were seen in every run, and how many in just one, tells whether the runs had enough
variety; from three runs on, how many calls they may have missed is estimated as well (docs/completeness.md).

Examples:
  callgate merge run1.json run2.json run3.json -o all.json
  callgate merge *.callgate.json | callgate show -`;

/** Registers `callgate merge`. */
export function defineMerge(program: Command): void {
  program
    .command('merge')
    .description('join profiles into one that holds all their runs')
    .argument('<file...>', 'profiles to read; - for stdin')
    .option('-o, --output <file>', 'write the profile there; - for stdout', '-')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: { readonly output: string }) => {
      const [
        { mergeProfiles },
        { readProfiles },
        { writeProfile },
        { takeRunsOnce },
        { describeRepeated, describeUnlikePhases, formatMergeSummary },
        { describeCompleteness },
      ] = await Promise.all([
        import('../profile/merge.ts'),
        import('./profile-input.ts'),
        import('./profile-output.ts'),
        import('../profile/repeated-runs.ts'),
        import('../report/merge-summary.ts'),
        import('../report/completeness-text.ts'),
      ]);
      const { profiles, repeated } = takeRunsOnce(await readProfiles(files));
      const merged = mergeProfiles(profiles);
      await writeProfile(merged, options.output);
      writeToStderr(`callgate: merged ${formatMergeSummary(merged)}\n`);
      if (repeated > 0) writeToStderr(`callgate: ${describeRepeated(repeated)}\n`);
      const completeness = describeCompleteness(merged);
      if (completeness !== null) writeToStderr(`callgate: ${completeness}\n`);
      const warning = describeUnlikePhases(profiles);
      if (warning !== null) writeToStderr(`callgate: warning: ${warning}\n`);
    });
}
