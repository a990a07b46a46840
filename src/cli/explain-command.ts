import type { Command } from 'commander';

/** Options of `callgate explain` as commander hands them over. */
export interface ExplainArguments {
  readonly phase?: string;
  readonly program?: string;
  readonly all: boolean;
  readonly root: string;
  readonly cache: boolean;
  readonly json: boolean;
}

const HELP = `
Of a profile from a trace: who made the call first, when, how often, with which arguments. Of one from analyze, or of a
program, which is then analysed: the shortest way through the code from where the program begins to the system call. Of a policy: where it is
allowed, with which arguments, or fails with ENOSYS, and its comments.

Steps of a way: "calls" is a call in the code, through the loader or not; "may call" is assumed because the
address of the function is known to code or data that can be reached; then it says where.

Examples:
  callgate explain /usr/bin/ls connect
  callgate explain redis.static.json execve
  callgate explain redis.json --phase main openat
  callgate explain redis.yaml i386:open

Exit codes: 0 explained, 1 the call is not there, 2 failure.`;

/** Registers `callgate explain`. */
export function defineExplain(program: Command): void {
  program
    .command('explain')
    .description('why is a system call in a profile or a policy, and how does a program get to it?')
    .argument('<file>', 'a profile, a policy, or a program; - for a profile on stdin')
    .argument('<syscall>', 'name, ARCH:NAME, or number')
    .option('--phase <name>', 'only in this phase')
    .option('--program <path>', 'only in this program (path, its last part, or the name it was started by)')
    .option('--all', 'all chains and processes', false)
    .option('--root <dir>', 'root file system, for a program', '/')
    .option('--no-cache', 'for a program: neither use nor fill the cache')
    .option('--json', 'print JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, syscall: string, args: ExplainArguments) => {
      const { runExplain } = await import('./explain-run.ts');
      await runExplain(file, syscall, args);
    });
}
