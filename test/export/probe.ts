import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { samplePolicy, type SamplePolicy } from '../../src/export/testing/sample-policy.ts';
import type { Policy } from '../../src/policy/model.ts';
import { compile } from '../support/compile.ts';

/** Calls of a static program's start and end, and of what starts it in a container. */
const FLOOR =
  `access arch_prctl brk capget capset chdir close close_range dup2 epoll_ctl epoll_pwait execve exit exit_group fchown
  fcntl fstat fstatfs futex getdents64 getpid getrandom getuid lseek mmap mprotect munmap nanosleep newfstatat openat
  prctl pread64 prlimit64 read readlink readlinkat rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_yield
  set_robust_list set_tid_address setgid setgroups setuid statfs umask wait4 write`.split(/\s+/);

/** What the policies of these tests say of the probe's calls: some allowed, some denied; `more` are allowed too. */
export function probePolicy(sample: Partial<SamplePolicy> = {}, more: readonly string[] = []): Policy {
  return samplePolicy({
    enosys: ['clone3'],
    ...sample,
    phases: {
      setup: [
        ...FLOOR,
        ...more,
        'getppid',
        'uname',
        { name: 'socket', args: [{ index: 0, name: 'domain', values: [1n] }] },
      ],
      main: ['exit_group', 'getppid', 'write'],
    },
  });
}

/** Compiles the probe; static, so that it runs in an empty root file system. */
export function compileProbe(): string {
  return compile(readFileSync(fileURLToPath(new URL('probe.c', import.meta.url)), 'utf8'), ['-static']);
}

/** A directory that the system cleans up. */
export function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'callgate-export-'));
}

/** The lines that the probe printed: name to errno. */
export function readProbe(stdout: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...stdout.matchAll(/^([a-z0-9-]+) ([0-9]+)$/gm)].map(([, name = '', errno]) => [name, Number(errno)]),
  );
}

/**
 * Runs a consumer to its end.
 *
 * @throws Error that names the Debian package if it is not installed
 */
export function runConsumer(
  command: string,
  args: readonly string[],
  debianPackage: string,
  options: { readonly fds?: readonly number[]; readonly cwd?: string } = {},
): {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.fds ?? [])],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (error !== undefined) {
    throw new Error(`${command} cannot be run (Debian package ${debianPackage}): ${error.message}`, {
      cause: error,
    });
  }
  return { status, signal, stdout, stderr };
}
