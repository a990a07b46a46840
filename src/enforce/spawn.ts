import { spawn as spawnChild, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UnsupportedError, UsageError } from '../base/errors.ts';
import type { Policy } from '../policy/model.ts';
import { openLibc } from '../sys/libc.ts';
import { storeImage } from '../sys/spawn.ts';
import { assembleTrampoline } from '../sys/trampoline.ts';
import { resolveCommand } from '../trace/command.ts';
import { compilePolicy } from './filters.ts';
import { REFUSED } from './refused.ts';
import { sortArguments } from './spawn-arguments.ts';
import { checkStartable } from './startable.ts';

/** Options of child_process.spawn, and the policy. `shell` makes no sense here and is refused by its type. */
export type FilteredSpawnOptions = Omit<SpawnOptions, 'shell'> & {
  /** The set of its first phase is enforced from the first instruction to the end. */
  readonly policy: Policy;
};

/** stdin, stdout and stderr, which a child has in any case. */
const STANDARD = 3;

/**
 * Like child_process.spawn, but the child runs under a policy from its first instruction.
 *
 * The child has no_new_privs set, and all that it starts is under the same filter. If the filter cannot be
 * installed the program is not run: the child says so on its stderr and exits with 128 + errno. What the kernel refuses to execute is told
 * likewise, with exit code 127 for ENOENT and 126 otherwise: a text without #!, for one, which child_process.spawn gives to /bin/sh.
 *
 * The arguments may be left out. Text with a zero byte is refused as Node does, by a TypeError.
 *
 * @throws UsageError if there is no policy, or another argument makes no sense
 * @throws LaunchError if the program or the directory is not there, or cannot be executed; nothing has been started then
 * @throws PolicyError if the policy cannot be compiled
 * @throws SystemCallError if there is no descriptor left for the launcher
 */
export function spawn(command: string, options: FilteredSpawnOptions): ChildProcess;
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
  const { policy, ...rest } = options;
  if (process.arch !== 'x64') {
    throw new UnsupportedError(
      `spawn: this machine is ${process.arch}, filters are installed on x86-64 only`,
      {
        feature: 'x86-64',
      },
    );
  }
  checkStartable(policy);
  // Nobody switches this child: the sets of single programs are not for it.
  const first = policy.phases.slice(0, 1).map((phase) => ({ ...phase, programs: [] }));
  const [tree] = compilePolicy({ ...policy, phases: first }, false);
  if (tree?.program !== null) throw new UsageError('spawn: the policy has no set for the whole tree');
  const directory = rest.cwd instanceof URL ? fileURLToPath(rest.cwd) : (rest.cwd ?? process.cwd());
  const path = resolveCommand('spawn', command, (rest.env ?? process.env)['PATH'], directory);
  const image = assembleTrampoline({
    ignoredSignals: 0n,
    blockedSignals: 0n,
    noNewPrivs: true,
    filter: tree.filter,
    unattended: true,
    failure: REFUSED,
    refusal: `callgate: spawn: cannot execute ${path}: `,
  });
  // Each entry of stdio becomes the descriptor of its place in the child, before the image is executed there.
  const given = Array.isArray(rest.stdio) ? rest.stdio.length : 0;
  // Node returns from spawn after the child's exec: the image is needed no longer then.
  using file = storeImage(openLibc(), image, Math.max(STANDARD, given));
  return spawnChild(file.path, [path, rest.argv0 ?? command, ...args], {
    ...rest,
    argv0: 'callgate',
    shell: false,
  });
}
