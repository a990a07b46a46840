import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HeldMountNamespace } from '../../src/trace/mount-namespace.ts';
import { compile } from '../support/compile.ts';
import { until } from './fixtures/policies.ts';

const PROGRAM = String.raw`
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *wait(void *unused) { for (;;) pause(); }

int main(void) {
  char byte;
  pthread_t thread;
  if (unshare(CLONE_NEWNS)) return 1;
  pthread_create(&thread, NULL, wait, NULL);
  write(1, "x", 1);
  read(0, &byte, 1);
  syscall(SYS_exit, 0);
}
`;

it('a mount namespace is not empty while a process is in it of which the first thread has ended', async () => {
  const child = spawn(compile(PROGRAM, ['-pthread']), [], { stdio: ['pipe', 'pipe', 'inherit'] });
  using _child = { [Symbol.dispose]: () => child.kill('SIGKILL') };
  await once(child.stdout, 'data');
  using namespace = new HeldMountNamespace(child.pid as number);
  expect(namespace.isEmpty()).toBe(false);
  child.stdin.write('x');
  await until('the first thread to end', () =>
    / Z /.test(readFileSync(`/proc/${child.pid}/task/${child.pid}/stat`, 'utf8')),
  );
  expect(namespace.isEmpty()).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(namespace.isEmpty()).toBe(true);
});
