import {
  spawn as spawnChild,
  type ChildProcess,
  type ChildProcessByStdio,
  type ChildProcessWithoutNullStreams,
  type SpawnOptions,
  type SpawnOptionsWithoutStdio,
  type SpawnOptionsWithStdioTuple,
  type StdioNull,
  type StdioPipe,
} from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { UnsupportedError, UsageError } from '../base/errors.ts';
import { printable } from '../policy/problems.ts';
import { checkedPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/model.ts';
import { openLibc } from '../sys/libc.ts';
import { storeImage } from '../sys/spawn.ts';
import { assembleTrampoline } from '../sys/trampoline.ts';
import { resolveCommand } from '../trace/command.ts';
import { compilePolicy } from './filters.ts';
import { REFUSED } from './refused.ts';
import { sortArguments } from './spawn-arguments.ts';
import { checkStartable } from './startable.ts';

/** Options of child_process.spawn, and the policy. `shell` makes no sense here and is refused. */
export type FilteredSpawnOptions = Filtered<SpawnOptions>;

type Filtered<Options extends SpawnOptions> = Omit<Options, 'shell'> & {
  /** The set of its first phase is enforced from the first instruction to the end. */
  readonly policy: Policy;
};

/** What the parent has of one of the first three descriptors. */
type EndOf<Stdio extends StdioNull | StdioPipe, Stream> = Stdio extends StdioPipe ? Stream : null;

/** stdin, stdout and stderr, which a child has in any case. */
const STANDARD = 3;

/**
 * Like child_process.spawn, but the child runs under a policy from its first instruction.
 *
 * The child has no_new_privs set, and all that it starts is under the same filter. If the filter cannot be
 * installed the program is not run: the child says so on its stderr and exits with 128 + errno. What the kernel refuses to execute is told
 * likewise, with exit code 127 for ENOENT and 126 otherwise.
 *
 * The arguments may be left out. Text with a zero byte is refused as Node does, by a TypeError. Unlike there a program that cannot
 * be started is an error that is thrown, not an event, as far as it shows beforehand; a text file without `#!` is not taken for a
 * script; and a script that is found in PATH has an absolute `$0`.
 *
 * @throws UsageError if there is no policy, or another argument makes no sense
 * @throws LaunchError if the program or the directory is not there, or cannot be executed; nothing has been started then
 * @throws DocumentError if the policy is malformed, PolicyError if it cannot be compiled
 * @throws SystemCallError if there is no descriptor left for the launcher
 */
export function spawn(
  command: string,
  options: Filtered<SpawnOptionsWithoutStdio>,
): ChildProcessWithoutNullStreams;
export function spawn<
  In extends StdioNull | StdioPipe,
  Out extends StdioNull | StdioPipe,
  Problems extends StdioNull | StdioPipe,
>(
  command: string,
  options: Filtered<SpawnOptionsWithStdioTuple<In, Out, Problems>>,
): ChildProcessByStdio<EndOf<In, Writable>, EndOf<Out, Readable>, EndOf<Problems, Readable>>;
export function spawn(command: string, options: FilteredSpawnOptions): ChildProcess;
export function spawn(
  command: string,
  args: readonly string[] | undefined,
  options: Filtered<SpawnOptionsWithoutStdio>,
): ChildProcessWithoutNullStreams;
export function spawn<
  In extends StdioNull | StdioPipe,
  Out extends StdioNull | StdioPipe,
  Problems extends StdioNull | StdioPipe,
>(
  command: string,
  args: readonly string[] | undefined,
  options: Filtered<SpawnOptionsWithStdioTuple<In, Out, Problems>>,
): ChildProcessByStdio<EndOf<In, Writable>, EndOf<Out, Readable>, EndOf<Problems, Readable>>;
export function spawn(
  command: string,
  args: readonly string[] | undefined,
  options: FilteredSpawnOptions,
): ChildProcess;
export function spawn(
  program: string,
  second: readonly string[] | FilteredSpawnOptions | undefined,
  third?: FilteredSpawnOptions,
): ChildProcess {
  const { command, args, options } = sortArguments(program, second, third);
  const { policy: given, ...rest } = options;
  if (process.arch !== 'x64') {
    throw new UnsupportedError(
      `spawn: this machine is ${process.arch}, filters are installed on x86-64 only`,
      {
        feature: 'x86-64',
      },
    );
  }
  const policy = checkedPolicy(given, 'spawn: options.policy');
  checkStartable(policy);
  // Nobody switches this child: the sets of single programs are not for it.
  const first = policy.phases.slice(0, 1).map((phase) => ({ ...phase, programs: [] }));
  const [tree] = compilePolicy({ ...policy, phases: first }, false);
  if (tree?.program !== null) throw new UsageError('spawn: the policy has no set for the whole tree');
  // An empty name is this process's directory, as for Node.
  const directory = (rest.cwd instanceof URL ? fileURLToPath(rest.cwd) : rest.cwd) || process.cwd();
  const found = resolveCommand('spawn', command, (rest.env ?? process.env)['PATH'], directory);
  // The child is in that directory by then, and a script is told the path by which it was executed.
  const path = command.includes('/') ? command : found;
  const image = assembleTrampoline({
    ignoredSignals: 0n,
    blockedSignals: 0n,
    noNewPrivs: true,
    filter: tree.filter,
    unattended: true,
    failure: REFUSED,
    refusal: `callgate: spawn: cannot execute ${printable(path)}: `,
  });
  // Each entry of stdio becomes the descriptor of its place in the child, before the image is executed there.
  const places = Array.isArray(rest.stdio) ? rest.stdio.length : 0;
  // Node returns from spawn after the child's exec: the image is needed no longer then.
  using file = storeImage(openLibc(), image, Math.max(STANDARD, places));
  const argv = [rest.argv0 ?? command, ...args];
  const child = spawnChild(file.path, [path, ...argv], { ...rest, argv0: 'callgate', shell: false });
  // What was asked for, not what it takes: events of errors, which come later, say it too.
  return Object.assign(child, { spawnfile: command, spawnargs: argv });
}
