import { errnoText } from '../abi/errno.ts';
import { LaunchError, UsageError, UnsupportedError } from '../base/errors.ts';
import { printable } from '../policy/problems.ts';
import type { Policy } from '../policy/model.ts';
import { openLibc } from '../sys/libc.ts';
import { setOpenFilesLimit } from '../sys/limits.ts';
import { executeImage } from '../sys/execute.ts';
import { assembleTrampoline } from '../sys/trampoline.ts';
import { resolveCommand } from '../trace/command.ts';
import { inheritedState, LAUNCH_VARIABLE } from '../trace/inherited.ts';
import { compilePolicy } from './filters.ts';
import { REFUSED } from './refused.ts';
import { checkStartable } from './startable.ts';

/**
 * Replaces this process by a program under a policy of one phase: nobody follows it, and nothing is left of callgate.
 *
 * @throws UsageError if the policy has phases or narrower sets for programs, which somebody has to switch
 * @throws LaunchError if the program cannot be executed; PolicyError
 */
export function becomeProgram(
  policy: Policy,
  command: readonly [string, ...(string | Uint8Array)[]],
  env: readonly (string | Uint8Array)[],
): never {
  checkStartable(policy);
  const [filter, ...further] = compilePolicy(policy, false);
  if (filter === undefined || further.length > 0) {
    throw new UsageError('run: --exec is for policies of one phase without sets for single programs');
  }
  if (process.arch !== 'x64') {
    throw new UnsupportedError(`run: this machine is ${process.arch}, filters are installed on x86-64 only`, {
      feature: 'x86-64',
    });
  }
  const path = resolveCommand('run', command[0], process.env['PATH'], process.cwd());
  const inherited = inheritedState(process.env[LAUNCH_VARIABLE]);
  const libc = openLibc();
  const image = assembleTrampoline({
    ignoredSignals: inherited.ignoredSignals,
    blockedSignals: inherited.blockedSignals,
    noNewPrivs: true,
    filter: filter.filter,
    signalsOnly: true,
    failure: REFUSED,
    refusal: `callgate: run: cannot execute ${printable(path)}: `,
  });
  if (inherited.openFiles !== null) setOpenFilesLimit(libc, process.pid, inherited.openFiles);
  const errno = executeImage(libc, image, {
    argv: ['callgate', path, ...command],
    env,
    descriptors: [0, 1, 2, ...inherited.descriptors],
  });
  throw new LaunchError(`run: cannot execute ${path}: ${errnoText(errno)}`, 126);
}
