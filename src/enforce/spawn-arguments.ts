import { inspect } from 'node:util';
import { UsageError } from '../base/errors.ts';
import { requireList, requireObject } from '../base/option-checks.ts';
import type { FilteredSpawnOptions } from './spawn.ts';

/** What is to be started, checked. */
export interface SpawnArguments {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: FilteredSpawnOptions;
}

/**
 * Sorts the arguments of spawn, of which the second may be left out as in child_process.spawn.
 *
 * @throws UsageError if there is no policy, or an argument makes no sense
 * @throws TypeError as Node does for text with a zero byte, and for what cannot be text
 */
export function sortArguments(command: unknown, second: unknown, third: unknown): SpawnArguments {
  const isLeftOut =
    third === undefined && typeof second === 'object' && second !== null && !Array.isArray(second);
  const args = (isLeftOut ? undefined : second) ?? [];
  const options = isLeftOut ? second : third;
  if (typeof command !== 'string') {
    throw new UsageError(`spawn: the program has to be text, not ${inspect(command, { depth: 0 })}`);
  }
  requireList('spawn', 'args', args);
  if (options === undefined)
    throw new UsageError('spawn: there is no policy ({ policy } is the last argument)');
  requireObject('spawn', 'options', options);
  const { policy, cwd, env, argv0, shell } = options as FilteredSpawnOptions & { shell?: unknown };
  if (policy === undefined)
    throw new UsageError('spawn: there is no policy (options.policy; parsePolicy reads one)');
  if (policy === null || !Array.isArray(policy.phases)) {
    throw new UsageError('spawn: options.policy is none (parsePolicy reads one)');
  }
  if (shell !== undefined && shell !== null && shell !== false) {
    throw new UsageError(
      "spawn: there is no option shell (the program is a shell then: '/bin/sh', ['-c', text])",
    );
  }
  refuseZeroByte('argument', 'file', command);
  for (const [index, argument] of args.entries()) refuseZeroByte('argument', `args[${index}]`, argument);
  refuseZeroByte('property', 'options.cwd', cwd, 'a string, Uint8Array, or URL');
  if (argv0 !== undefined && argv0 !== null) requireArgv0(argv0);
  for (const [name, value] of Object.entries(env ?? {})) {
    refuseZeroByte('property', `options.env['${name}']`, name);
    refuseZeroByte('property', `options.env['${name}']`, value);
  }
  return {
    command,
    // Not by String, which has a text even for a symbol.
    args: args.map((argument) => `${argument as string}`),
    options: options as FilteredSpawnOptions,
  };
}

/** Here and not in Node, which is given another name of its own. */
function requireArgv0(value: unknown): void {
  refuseZeroByte('property', 'options.argv0', value);
  if (typeof value === 'string') return;
  const shown = inspect(value, { depth: 0, breakLength: Infinity });
  const error = new TypeError(
    `The "options.argv0" property must be of type string. Received type ${typeof value} (${shown})`,
  );
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** Here and not in Node, which counts arguments of the trampoline. */
function refuseZeroByte(
  kind: 'argument' | 'property',
  name: string,
  value: unknown,
  what = 'a string',
): void {
  if (typeof value !== 'string' || !value.includes('\0')) return;
  const error = new TypeError(
    `The ${kind} '${name}' must be ${what} without null bytes. Received ${inspect(value)}`,
  );
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}
