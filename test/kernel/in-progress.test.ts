import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { callgate, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

/** One thread waits since set-up, in a way that is chosen, while the first one serves and then ends the wait. */
const WAITER = `
  #include <pthread.h>
  #include <signal.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/epoll.h>
  #include <unistd.h>
  static int ends[2];
  static volatile int ok = 0;
  static void *wait_for_signal(void *set) { int got = 0; ok = sigwait(set, &got) == 0 && got == SIGUSR1; return 0; }
  static void *wait_for_byte(void *none) { char byte; ok = read(ends[0], &byte, 1) == 1; return 0; }
  int main(int count, char **words) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    if (pipe(ends)) return 9;
    pthread_t waiter;
    int bySignal = !strcmp(words[1], "signal");
    pthread_create(&waiter, 0, bySignal ? wait_for_signal : wait_for_byte, &set);
    usleep(50000);
    int queue = epoll_create1(0);
    struct epoll_event event;
    for (int i = 0; i < 5; i++) epoll_wait(queue, &event, 1, 20);
    if (bySignal) kill(getpid(), SIGUSR1); else if (write(ends[1], "x", 1) != 1) return 8;
    pthread_join(waiter, 0);
    return ok ? 0 : 7;
  }`;

let waiter = '';

beforeAll(() => {
  waiter = compile(WAITER, ['-pthread']);
});

describe.each(['ebpf', 'seccomp', 'ptrace'])(
  'a call that is in progress when main begins, as --method %s has seen it',
  (method) => {
    it.each([
      ['signal', 'rt_sigtimedwait'],
      ['byte', 'read'],
    ])('is allowed in main: waiting for a %s', (how, name) => {
      using directory = temporaryDirectory();
      const [profile, policy] = ['profile.json', 'policy.yaml'].map((file) => join(directory.path, file)) as [
        string,
        string,
      ];
      const phase = ['--phase', 'main@syscall:epoll_wait'];
      expect(
        callgate(['trace', '-q', '--method', method, ...phase, '-o', profile, '--', waiter, how]).status,
      ).toBe(0);
      const made = callgate(['policy', profile, '--on-violation', 'kill']);
      writeFileSync(policy, made.stdout);
      const main = readFileSync(policy, 'utf8').split('name: main')[1] ?? '';
      expect(main).toMatch(new RegExp(`- ${name} .*(observed|in progress)`));
      const { status, stderr } = callgate(['run', '--policy', policy, '--', waiter, how]);
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('killed')]);
    });
  },
);
