import { closeSync, openSync } from 'node:fs';
import { errnoText } from '../abi/errno.ts';
import { LaunchError, UnsupportedError } from '../base/errors.ts';
import type { Libc } from '../sys/libc.ts';
import { makeBlocking } from '../sys/descriptor.ts';
import { spawnImage } from '../sys/spawn.ts';
import type { LaunchTarget } from './backend.ts';

/** Starts a launcher (`sys/trampoline.ts`) that will become the program of `target`, and returns its pid. @throws SystemCallError */
export function spawnLauncher(libc: Libc, target: LaunchTarget, image: Uint8Array): number {
  const { descriptors, closed, blocks } = target.inherited;
  // What is not listed is close-on-exec, /dev/null in place of a closed descriptor included.
  const kept = [0, 1, 2, ...descriptors].filter((fd) => !closed.includes(fd));
  const stdin = target.stdin === 'null' ? openSync('/dev/null', 'r') : 0;
  if (blocks) {
    for (const fd of [0, 1, 2]) {
      // Whoever else has that pipe has it so too: libuv does the same for the children that Node starts.
      if (kept.includes(fd) && (fd !== 0 || stdin === 0)) makeBlocking(libc, fd);
    }
  }
  try {
    return spawnImage(libc, image, {
      argv: ['callgate', target.path, ...target.argv],
      env: target.env,
      descriptors: kept.map((fd) => ({ from: fd === 0 ? stdin : fd, to: fd })),
      cwd: target.cwd,
    });
  } finally {
    if (stdin !== 0) closeSync(stdin);
  }
}

/** Why a launcher ended before it became the program. */
export function explainEnd(
  target: LaunchTarget,
  status: { kind: 'exited'; code: number } | { kind: 'signaled'; signal: number },
  isEnforced: boolean,
): Error {
  const who = isEnforced ? 'run' : 'trace';
  if (status.kind === 'signaled') {
    return new LaunchError(
      `${who}: ${target.path} was killed by signal ${status.signal} as it was started`,
      126,
    );
  }
  if (status.code > 128) {
    const name = errnoText(status.code - 128);
    return new UnsupportedError(
      isEnforced
        ? `run: the kernel refused the filter, ${name}: the program was not run (see callgate doctor)`
        : `trace: the seccomp filter that reports calls was refused, ${name} (try --method ptrace, which needs none)`,
      { feature: 'seccomp' },
    );
  }
  const name = errnoText(status.code);
  const advice =
    name === 'ENOEXEC'
      ? ' (not a program: a script begins with #!, such as #!/bin/sh; or run its interpreter with the script as argument)'
      : '';
  return new LaunchError(
    `${who}: cannot execute ${target.path}: ${name}${advice}`,
    name === 'ENOENT' ? 127 : 126,
  );
}
