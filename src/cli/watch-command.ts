import { Option, type Command } from 'commander';

const HELP = `
Records every process of the machine by eBPF and writes one profile for each target, at every interval and at the
end; profiles that are there already are continued. A run of a profile is one start of its target (docs/watch.md).

Examples:
  callgate watch -d /var/lib/callgate                 a profile for each systemd unit
  callgate watch -d profiles --by exe --include 'redis-*' --once 60s
  callgate watch -d profiles --metrics 127.0.0.1:9464
  callgate policy /var/lib/callgate/redis.service.json

Needs CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or root.
A time is a number with ns, us, ms, s, m, h or d, and one without unit is seconds.
Exit codes: 0 done, 2 failure; SIGINT, SIGTERM and SIGHUP end it after the profiles were written.`;

interface Options {
  readonly directory: string;
  readonly by: 'unit' | 'container' | 'exe';
  readonly interval: string;
  readonly once?: string;
  readonly metrics?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly quiet?: true;
}

/** Defines `callgate watch`. */
export function defineWatch(program: Command): void {
  const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value];
  program
    .command('watch')
    .description('record the whole machine, one profile for each unit, container or executable')
    .requiredOption('-d, --directory <dir>', 'where the profiles are written')
    .addOption(
      new Option('--by <what>', 'what gets a profile').choices(['unit', 'container', 'exe']).default('unit'),
    )
    .option('--interval <time>', 'how often to write', '5m')
    .option('--once <time>', 'end after this time')
    .option('--metrics <address:port>', 'serve OpenMetrics there, on loopback')
    .option('--include <pattern>', 'only targets that match; may be repeated', collect, [])
    .option('--exclude <pattern>', 'not targets that match; may be repeated', collect, [])
    .option('-q, --quiet', 'print only warnings and errors')
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const { runWatch } = await import('./watch-run.ts');
      await runWatch(options);
    });
}
