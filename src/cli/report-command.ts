import type { Command } from 'commander';
import type { ReportInput } from '../report/html/page-data.ts';

const HELP = `
One page for everything that profiles and policies say: processes over time, first and last use of each call with the
split between phases as a handle to drag, a matrix of calls by documents and phases, risks and published kernel bugs, who
makes a call and how code gets there, how complete the runs are. Two policies, or else two profiles, are compared.

The page needs nothing else: it opens from a file and asks for nothing by network.

Examples:
  callgate report redis.json -o redis.html
  callgate report run1.json run2.json run3.json -o runs.html
  callgate report traced.json analyzed.json policy.yaml -o all.html
  callgate report old.yaml new.yaml -o changes.html`;

/** Registers `callgate report`. */
export function defineReport(program: Command): void {
  program
    .command('report')
    .description('write a page to look at profiles and policies with a browser')
    .argument('<file...>', 'profiles and policies to read; - for stdin')
    .option('-o, --output <file>', 'write the page there; - for stdout', 'report.html')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: { readonly output: string }) => {
      const [
        { readDocuments },
        { toPageData },
        { formatPage },
        { readPageAssets },
        output,
        { refuseOwnInput },
      ] = await Promise.all([
        import('./report-input.ts'),
        import('../report/html/page-data.ts'),
        import('../report/html/page.ts'),
        import('./page-assets.ts'),
        import('./foreign-file.ts'),
        import('./own-input.ts'),
      ]);
      refuseOwnInput(options.output, files);
      const assets = readPageAssets();
      const inputs: readonly ReportInput[] = await readDocuments(files);
      await output.writeForeignFile(formatPage(toPageData(inputs), assets), options.output);
    });
}
