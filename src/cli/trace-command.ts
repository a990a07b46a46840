import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TracingPlace } from '../trace/place.ts';

/** Options of `callgate trace` as commander hands them over. */
export interface TraceArguments {
  readonly output?: string;
  readonly method?: 'auto' | 'ebpf' | 'seccomp' | 'ptrace' | 'adaptive';
  readonly pid?: readonly number[];
  readonly cgroup?: string;
  readonly container?: string;
  readonly all?: true;
  readonly errors?: true;
  readonly phase?: readonly string[];
  readonly phases: 'auto' | 'none';
  readonly ready?: string;
  readonly readyTimeout?: string;
  readonly workload?: string;
  readonly duration?: string;
  readonly grace?: string;
  readonly live?: number | true;
  readonly keepAwake?: boolean;
  readonly progress?: boolean;
  readonly quiet?: boolean;
}

const HELP = `
Triggers (for --phase and --ready):
  syscall:NAME[#n]            the n-th call of NAME, counted in each process
  symbol:[OBJECT:]FUNCTION    a function is reached, in the program or in a library such as libc.so.6; or an address in the file, such as 0x12a40
  listen:PORT|PATH            a TCP port or a Unix socket is listened on
  output:/REGEX/              a line on stdout or stderr matches, or a prompt
  after:DURATION              time since the start, such as 500ms or 2s
  key                         Enter on the terminal, or callgate phase NAME from another one
System calls and symbols switch the process that hits them and its later children, the others the whole tree.
Without --phase, callgate proposes the split afterwards if the program has one (--phases none: it does not).

Examples:
  callgate trace -- ls -l /etc
  callgate trace -o make.json -- make -j2
  callgate trace --phase main@listen:8080 -- ./server
  callgate trace --phase main@syscall:epoll_wait --duration 30s -- ./server
  callgate trace --ready listen:6379 --workload 'redis-benchmark -q -n 10000' -o redis.json \\
      -- redis-server --port 6379
  callgate trace --pid 1234 --duration 1m -o running.json
  callgate trace --live -- make -j2

The program ends as it would alone, and callgate ends as the program did: by its exit code, or by the
same signal. 127: not found; 126: not executable; 2: callgate itself failed.`;

/** Registers `callgate trace`; `place` gives where it traces, or nothing for a thread that is still to be started. */
export function defineTrace(program: Command, place: () => TracingPlace | undefined): void {
  program
    .command('trace')
    .description('run a program, or attach to one, and record the system calls it makes')
    .usage('[options] -- COMMAND [ARGUMENT...]\n       callgate trace [options] --pid PID')
    .argument('[command...]', 'program to run and its arguments')
    .option('-o, --output <file>', 'write the profile there (default: ./NAME.callgate.json)')
    .addOption(
      new Option(
        '--method <method>',
        'ebpf: counted in the kernel, nothing stops, needs root; seccomp: one stop a call; ptrace: two, sees errors too, needs no filter; adaptive: stops only for what is new, does not count; auto: the best that works here',
      )
        .choices(['auto', 'ebpf', 'seccomp', 'ptrace', 'adaptive'])
        .default(undefined, 'auto'),
    )
    .option('-p, --pid <pid>', 'attach to a running process with all its threads (repeatable)', collectPid)
    .option('--cgroup <path>', 'record what runs in a cgroup (v2), now and later; eBPF only')
    .option('--container <id>', 'record what runs in a container, by its mount namespace; eBPF only')
    .option('--all', 'record everything that runs on this machine; eBPF only')
    .option(
      '--errors',
      'count with which errors calls fail; by ebpf, which then looks at each call twice, or by ptrace, which does so anyway',
    )
    .option('--phase <name@trigger>', 'a phase that begins at a trigger (repeatable)', collect)
    .addOption(
      new Option('--phases <mode>', 'what to do without --phase').choices(['auto', 'none']).default('auto'),
    )
    .option('--ready <trigger>', 'when the program is ready for the workload (default: at once)')
    .option('--ready-timeout <duration>', 'how long to wait for that (default: 60s)')
    .option('--workload <command>', 'shell command to run when ready, untraced; then end the program')
    .option('--duration <duration>', 'end the program, or detach, that long after it is ready')
    .option('--grace <duration>', 'time between SIGTERM and SIGKILL at the end (default: 10s)')
    .option('--live [port]', 'serve a page on this machine that shows the trace while it goes on', parsePort)
    .option(
      '--no-keep-awake',
      'let idle processors halt while the program stops often; as root they are kept from it, for that makes a stop several times cheaper',
    )
    .option('--no-progress', 'no progress line on the terminal')
    .option('-q, --quiet', 'no progress and no summary; warnings and errors only')
    .addHelpText('after', HELP)
    .passThroughOptions()
    .action(async (command: string[], options: TraceArguments) => {
      const { runTrace } = await import('./trace-run.ts');
      await runTrace(command, options, place);
    });
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^[0-9]{1,5}$/.test(value) || port > 65535) {
    throw new InvalidArgumentError(`${value} is not a port (--live=PORT, or --live -- PROGRAM).`);
  }
  return port;
}

function collectPid(value: string, previous: readonly number[] | undefined): readonly number[] {
  if (!/^[1-9][0-9]{0,9}$/.test(value)) throw new InvalidArgumentError(`${value} is not a process id.`);
  return [...(previous ?? []), Number(value)];
}
