import { spawnSync } from 'node:child_process';

/**
 * What a tool prints.
 *
 * @throws Error that names the Debian package if it is not installed: a missing tool is a failure and no reason to skip
 */
export function requireTool(command: string, args: readonly string[], debianPackage: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) {
    throw new Error(`${command} cannot be run (Debian package ${debianPackage}): ${error.message}`, {
      cause: error,
    });
  }
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}
