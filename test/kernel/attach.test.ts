import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Profile } from '../../src/profile/model.ts';
import {
  callgate,
  callNames,
  countOf,
  readProfile,
  run,
  start,
  temporaryDirectory,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { parseStrace } from '../support/strace.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

afterAll(() => directory[Symbol.dispose]());

let files = 0;

function newPath(name = 'file'): string {
  return join(directory.path, `${name}-${files++}`);
}

/** A process to attach to; it is killed after the test. */
interface Victim {
  readonly pid: number;
  /** Exit code, or the name of the signal. */
  readonly end: Promise<number | string>;
  readonly output: () => string;
}

/** Starts a program and waits until it has printed `up`. */
async function victim(command: string, args: readonly string[] = []): Promise<Victim> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const end = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  await until('the program to be up', () => output.includes('up'));
  return { pid: child.pid as number, end, output: () => output };
}

/** Waits for something that takes some milliseconds, ten seconds at most. */
async function until(what: string, happens: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!happens()) {
    if (Date.now() > end) throw new Error(`waited for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A field of /proc/PID/status, or of one of its threads. */
function status(pid: number, field: string, tid = pid): string {
  const text = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
  return new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(text)?.[1] ?? '';
}

function threads(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number);
}

/** TracerPid of every thread that does not end as we look; each value once. */
function tracers(pid: number): string[] {
  const found = threads(pid).flatMap((tid) => {
    try {
      return [status(pid, 'TracerPid', tid)];
    } catch {
      return [];
    }
  });
  return [...new Set(found)];
}

/** Attaches for a while and returns the profile. */
async function attach(
  pids: readonly number[],
  options: readonly string[] = ['--duration', '300ms'],
): Promise<Profile> {
  const file = newPath('profile');
  const targets = pids.flatMap((pid) => ['--method', 'ptrace', '--pid', `${pid}`]);
  const { status: code, stderr } = await start(['trace', '-q', '-o', file, ...targets, ...options]).end;
  expect([code, stderr]).toEqual([0, '']);
  return readProfile(file);
}

describe('a redis-server under redis-benchmark', () => {
  it('serves on, whether ten traces are ended by their duration or by SIGINT', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const redis = spawn(
      'redis-server',
      ['--port', `${port}`, '--save', '', '--dir', directory.path, '--loglevel', 'warning'],
      {
        stdio: 'ignore',
      },
    );
    children.push(redis);
    const pid = redis.pid as number;
    const ping = (): string => run('redis-cli', ['-p', `${port}`, 'ping']).stdout;
    await until('redis', () => ping() === 'PONG\n');

    const stop = newPath('stop');
    const load = spawn(
      '/bin/sh',
      [
        '-c',
        `while ! [ -e ${stop} ]; do redis-benchmark -p ${port} -q -n 2000 -c 8 -t get,set 2>&1 || exit 9; done`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let said = '';
    load.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const loadEnd = once(load, 'close');

    for (let round = 0; round < 10; round++) {
      const file = newPath('profile');
      const trace = start([
        'trace',
        '-q',
        '-o',
        file,
        '--method',
        'ptrace',
        '--pid',
        `${pid}`,
        '--duration',
        round % 2 === 0 ? '150ms' : '60s',
      ]);
      if (round % 2 === 1) {
        await until('the tracer', () => tracers(pid).every((tracer) => tracer !== '0'));
        await new Promise((resolve) => setTimeout(resolve, 150));
        trace.kill('SIGINT');
      }
      const { status: code, stderr } = await trace.end;
      expect([code, stderr]).toEqual([0, '']);
      expect(tracers(pid)).toEqual(['0']);
      const profile = readProfile(file);
      expect(callNames(profile.processes)).toContain('x86_64:epoll_wait');
      expect(profile.processes[0]).toMatchObject({ birth: 'attach', exit: { kind: 'detached' } });
    }
    writeFileSync(stop, '');
    expect(await loadEnd).toEqual([0, null]);
    expect(said).toContain('requests per second');
    expect(said).not.toMatch(/error|closed by|refused|reset/i);
    expect(ping()).toBe('PONG\n');
  });
});

/** A thread for each waiting call; any EINTR, which no handler of this program can cause, ends it with code 3. */
const WAITS = String.raw`
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile int over;
static int word, feed_pipe[2], listener, semaphore, queue, silent[2], full[2], write_pipe[2];
static struct sockaddr_in address;

static void check(const char *name, long result) {
  if (result == -1 && errno == EINTR) {
    fprintf(stderr, "%s returned EINTR\n", name);
    _exit(3);
  }
}

#define LOOP(name, body) \
  static void *loop_##name(void *unused) { \
    sigset_t none; sigemptyset(&none); \
    int epoll = epoll_create1(0); \
    char buffer[64] = {0}; \
    struct iovec vector = {buffer, sizeof buffer}; \
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1}; \
    struct timespec brief = {0, 30000000}; \
    while (!over) { long result; errno = 0; body; check(#name, result); } \
    close(epoll); \
    return NULL; \
  }

LOOP(epoll_wait, result = epoll_wait(epoll, &(struct epoll_event){0}, 1, 30))
LOOP(epoll_pwait, result = epoll_pwait(epoll, &(struct epoll_event){0}, 1, 30, &none))
LOOP(poll, result = poll(NULL, 0, 30))
LOOP(ppoll, result = ppoll(NULL, 0, &brief, &none))
LOOP(select, struct timeval wait = {0}; wait.tv_usec = 30000; result = select(0, NULL, NULL, NULL, &wait))
LOOP(pselect, result = pselect(0, NULL, NULL, NULL, &brief, &none))
LOOP(nanosleep, result = syscall(SYS_nanosleep, &brief, NULL))
LOOP(clock_nanosleep, struct timespec then; clock_gettime(CLOCK_MONOTONIC, &then); then.tv_nsec += 30000000;
  if (then.tv_nsec >= 1000000000) { then.tv_sec++; then.tv_nsec -= 1000000000; }
  result = 0; errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL); if (errno) result = -1)
LOOP(futex_timed, result = syscall(SYS_futex, &word, FUTEX_WAIT, word, &brief, NULL, 0))
LOOP(futex, result = syscall(SYS_futex, &word, FUTEX_WAIT, word, NULL, NULL, 0))
LOOP(read, result = read(feed_pipe[0], buffer, 1))
LOOP(accept, result = accept(listener, NULL, NULL); if (result >= 0) close(result))
LOOP(sigtimedwait, sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR2); result = sigtimedwait(&set, NULL, &brief))
LOOP(semop, struct sembuf take = {0}; take.sem_op = -1; result = syscall(SYS_semop, semaphore, &take, 1))
LOOP(semtimedop, struct sembuf take = {1}; take.sem_op = -1; result = semtimedop(semaphore, &take, 1, &brief))
LOOP(msgrcv, result = msgrcv(queue, buffer, 8, 1, 0))
LOOP(recv, result = recv(silent[0], buffer, 1, 0))
LOOP(recvmsg, result = recvmsg(silent[0], &message, 0))
LOOP(recvmmsg, struct mmsghdr many = {message}; result = recvmmsg(silent[0], &many, 1, 0, NULL))
LOOP(socket_read, result = read(silent[0], buffer, 1))
LOOP(socket_readv, result = readv(silent[0], &vector, 1))
LOOP(send, result = send(full[0], buffer, sizeof buffer, 0))
LOOP(sendmsg, result = sendmsg(full[0], &message, 0))
LOOP(socket_write, result = write(full[0], buffer, sizeof buffer))
LOOP(socket_writev, result = writev(full[0], &vector, 1))
LOOP(pipe_write, static char big[65536]; result = write(write_pipe[1], big, sizeof big))

static void *feed(void *unused) {
  int drained = 0;
  char bytes[4096];
  while (!over) {
    usleep(30000);
    word++;
    syscall(SYS_futex, &word, FUTEX_WAKE, 64, NULL, NULL, 0);
    write(feed_pipe[1], "x", 1);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (void *)&address, sizeof address);
    close(client);
    semop(semaphore, &(struct sembuf){0, 1, 0}, 1);
    struct { long type; char text[8]; } message = {1};
    msgsnd(queue, &message, 8, IPC_NOWAIT);
    for (int i = 0; i < 32; i++) read(write_pipe[0], bytes, sizeof bytes);
  }
  return NULL;
}

static void timeout(int fd, int option) {
  struct timeval wait = {0, 40000};
  setsockopt(fd, SOL_SOCKET, option, &wait, sizeof wait);
}

int main(int argc, char **argv) {
  sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_BLOCK, &set, NULL);
  pipe(feed_pipe);
  pipe(write_pipe);
  fcntl(write_pipe[0], F_SETFL, O_NONBLOCK);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_family = AF_INET; address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener, (void *)&address, sizeof address);
  listen(listener, 100);
  socklen_t length = sizeof address;
  getsockname(listener, (void *)&address, &length);
  semaphore = semget(IPC_PRIVATE, 2, 0600);
  queue = msgget(IPC_PRIVATE, 0600);
  socketpair(AF_UNIX, SOCK_STREAM, 0, silent); timeout(silent[0], SO_RCVTIMEO);
  socketpair(AF_UNIX, SOCK_STREAM, 0, full);
  char bytes[4096] = {0};
  while (send(full[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0);
  while (send(full[0], bytes, 1, MSG_DONTWAIT) > 0);
  timeout(full[0], SO_SNDTIMEO);
  void *(*loops[])(void *) = {
    loop_epoll_wait, loop_epoll_pwait, loop_poll, loop_ppoll, loop_select, loop_pselect, loop_nanosleep,
    loop_clock_nanosleep, loop_futex_timed, loop_futex, loop_read, loop_accept, loop_sigtimedwait, loop_semop,
    loop_semtimedop, loop_msgrcv, loop_recv, loop_recvmsg, loop_recvmmsg, loop_socket_read, loop_socket_readv,
    loop_send, loop_sendmsg, loop_socket_write, loop_socket_writev, loop_pipe_write, feed,
  };
  int count = sizeof loops / sizeof *loops;
  for (int i = 0; i < count; i++) { pthread_t thread; pthread_create(&thread, NULL, loops[i], NULL); }
  puts("up"); fflush(stdout);
  while (access(argv[1], F_OK)) usleep(50000);
  over = 1;
  usleep(200000);
  semctl(semaphore, 0, IPC_RMID);
  msgctl(queue, IPC_RMID, NULL);
  _exit(0);
}
`;

describe('a program that waits in every way', () => {
  it('sees no call interrupted by twenty attachments and detachments', async () => {
    const stop = newPath('stop');
    const waits = await victim(compile(WAITS, ['-pthread']), [stop]);
    const seen = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const profile = await attach([waits.pid], ['--duration', `${20 + round * 7}ms`]);
      for (const name of callNames(profile.processes)) seen.add(name);
    }
    writeFileSync(stop, '');
    expect(await waits.end).toBe(0);
    // The waits were there to be interrupted.
    expect([...seen]).toEqual(
      expect.arrayContaining(
        [
          'epoll_wait',
          'poll',
          'nanosleep',
          'futex',
          'read',
          'accept',
          'rt_sigtimedwait',
          'semop',
          'recvfrom',
        ].map((name) => `x86_64:${name}`),
      ),
    );
  });
});

const THREADS = String.raw`
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *loop(void *unused) { for (;;) { syscall(SYS_getppid); usleep(20000); } }
static void *once(void *unused) { syscall(SYS_getuid); return NULL; }
int main(int argc, char **argv) {
  int count = atoi(argv[1]);
  pthread_t thread;
  for (int i = 0; i < count; i++) pthread_create(&thread, NULL, loop, NULL);
  puts("up"); fflush(stdout);
  if (argc == 2) loop(NULL);
  /* Threads that come and go all the time. */
  while (access(argv[2], F_OK)) {
    pthread_t some[4];
    for (int i = 0; i < 4; i++) if (pthread_create(&some[i], NULL, once, NULL)) return 5;
    for (int i = 0; i < 4; i++) pthread_join(some[i], NULL);
  }
  _exit(0);
}
`;

describe('the threads of a process', () => {
  let program: string;
  beforeAll(() => {
    program = compile(THREADS, ['-pthread']);
  });

  it('are all attached to, fifty of them', async () => {
    const { pid } = await victim(program, ['50']);
    const trace = start([
      'trace',
      '-q',
      '-o',
      newPath('profile'),
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '30s',
    ]);
    await until('all threads to be traced', () =>
      tracers(pid).every((tracer) => tracer === `${trace.pid}` || tracer !== '0'),
    );
    expect(threads(pid)).toHaveLength(51);
    trace.kill('SIGINT');
    await trace.end;
    expect(tracers(pid)).toEqual(['0']);
  });

  it('are all recorded as there when tracing began, and their calls with them', async () => {
    const { pid } = await victim(program, ['50']);
    const profile = await attach([pid]);
    const [process] = profile.processes;
    expect(process?.threads.map(({ tid }) => tid)).toEqual(
      threads(pid)
        .filter((tid) => tid !== pid)
        .sort((a, b) => a - b),
    );
    expect(new Set(process?.threads.map(({ creator }) => creator))).toEqual(new Set([null]));
    // Fifty-one threads, each every 20 ms: far more than one of them could make.
    expect(countOf(profile.processes, 'getppid')).toBeGreaterThan(100);
  });

  it('that are made in the moment of attaching are traced as well, and let go', async () => {
    const stop = newPath('stop');
    const { pid, end } = await victim(program, ['3', stop]);
    for (let round = 0; round < 10; round++) {
      const profile = await attach([pid], ['--duration', '100ms']);
      expect(callNames(profile.processes)).toContain('x86_64:getuid');
      expect(profile.processes).toHaveLength(1);
      expect(tracers(pid)).toEqual(['0']);
    }
    writeFileSync(stop, '');
    expect(await end).toBe(0);
  });
});

const SLEEPER = String.raw`
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main() {
  puts("up"); fflush(stdout);
  for (;;) { nanosleep(&(struct timespec){0, 50000000}, NULL); syscall(SYS_getppid); }
}
`;

describe('a stopped process', () => {
  it('is attached to, stays stopped, and goes on at SIGCONT', async () => {
    const { pid } = await victim(compile(SLEEPER));
    process.kill(pid, 'SIGSTOP');
    await until('the stop', () => status(pid, 'State') === 'T');
    const file = newPath('profile');
    const trace = start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '700ms',
    ]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(['T', 't']).toContain(status(pid, 'State'));
    expect((await trace.end).status).toBe(0);
    expect(countOf(readProfile(file).processes, 'getppid')).toBe(0);
    expect([status(pid, 'TracerPid'), status(pid, 'State')]).toEqual(['0', 'T']);
    process.kill(pid, 'SIGCONT');
    await until('the process to go on', () => status(pid, 'State') === 'S');
  });

  it('goes on at a SIGCONT that comes while it is traced', async () => {
    const { pid } = await victim(compile(SLEEPER));
    process.kill(pid, 'SIGSTOP');
    await until('the stop', () => status(pid, 'State') === 'T');
    const file = newPath('profile');
    const trace = start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '800ms',
    ]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(pid, 'SIGCONT');
    await trace.end;
    expect(countOf(readProfile(file).processes, 'getppid')).toBeGreaterThan(3);
    await until('the process to sleep again', () => status(pid, 'State') === 'S');
  });
});

const PARENT = String.raw`
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) { syscall(SYS_getuid); usleep(20000); }
  }
  puts("up"); fflush(stdout);
  while (access(argv[1], F_OK)) usleep(20000);
  if (fork() == 0) { syscall(SYS_getgid); execl("/bin/echo", "echo", "child", NULL); }
  int status;
  wait(&status);
  if (argc > 2) execl(argv[2], argv[2], "exec", NULL);
  for (;;) pause();
}
`;

describe('a process with children', () => {
  it('has the children followed that it forks from then on, and no earlier ones', async () => {
    const go = newPath('go');
    const { pid, output } = await victim(compile(PARENT), [go]);
    const file = newPath('profile');
    const trace = start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '30s',
    ]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    writeFileSync(go, '');
    await until('the child', () => output().includes('child'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    trace.kill('SIGINT');
    expect((await trace.end).status).toBe(0);
    const { processes } = readProfile(file);
    expect(processes.map(({ birth, parent, exit }) => [birth, parent, exit?.kind])).toEqual([
      ['attach', null, 'detached'],
      [expect.stringMatching(/^(fork|clone)$/), 0, 'exec'],
      ['exec', 1, 'exited'],
    ]);
    expect(callNames([processes[1] as (typeof processes)[0]])).toContain('x86_64:getgid');
    expect(processes[2]?.argv).toEqual(['echo', 'child']);
    expect(callNames(processes)).not.toContain('x86_64:getuid');
  });

  it('is followed through its own execve', async () => {
    const go = newPath('go');
    const { pid, output, end } = await victim(compile(PARENT), [go, '/bin/echo']);
    const file = newPath('profile');
    const trace = start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '30s',
    ]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    writeFileSync(go, '');
    // The trace is over when the last traced process is, which has ended by itself.
    const { status: code } = await trace.end;
    expect([code, await end]).toEqual([0, 0]);
    expect(output()).toContain('exec\n');
    const own = readProfile(file).processes.filter((each) => each.pid === pid);
    expect(own.map(({ birth, exit }) => [birth, exit])).toEqual([
      ['attach', { kind: 'exec' }],
      ['exec', { kind: 'exited', code: 0 }],
    ]);
  });
});

describe('what is recorded of a process that was attached to', () => {
  const BUSY = String.raw`
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static void *waits(void *unused) {
  int epoll = epoll_create1(0);
  for (;;) { struct epoll_event event; epoll_wait(epoll, &event, 1, 20); }
}
int main() {
  pthread_t thread;
  pthread_create(&thread, NULL, waits, NULL);
  puts("up"); fflush(stdout);
  for (;;) {
    char bytes[16];
    struct stat stat;
    int fd = open("/proc/self/stat", O_RDONLY);
    read(fd, bytes, sizeof bytes); fstat(fd, &stat); close(fd);
    getppid();
    if (fork() == 0) { getgid(); _exit(0); }
    wait(NULL);
    usleep(10000);
  }
}
`;

  it('is what strace -f -p sees', async () => {
    const { pid } = await victim(compile(BUSY, ['-pthread']));
    const ours = callNames((await attach([pid], ['--duration', '500ms'])).processes);
    const log = newPath('strace');
    run('timeout', ['-s', 'INT', '0.7', 'strace', '-f', '-qq', '-o', log, '-p', `${pid}`]);
    const reference = parseStrace(readFileSync(log, 'utf8'));
    // Caused by strace as it attaches; callgate leaves out its own.
    reference.delete('x86_64:restart_syscall');
    expect([...ours].sort()).toEqual([...reference].sort());
    expect(ours.size).toBeGreaterThan(8);
  });

  it('has no restart_syscall that attaching caused, but the call that it went on with', async () => {
    const { pid } = await victim(compile(SLEEPER));
    for (let round = 0; round < 5; round++) {
      const profile = await attach([pid], ['--duration', '150ms']);
      expect([...callNames(profile.processes)].sort()).toEqual(['x86_64:clock_nanosleep', 'x86_64:getppid']);
      // The sleep that letting go has interrupted goes on as restart_syscall: in truth, for whoever attaches by then.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  it('has the restart_syscall that SIGSTOP and SIGCONT cause', async () => {
    const { pid } = await victim('/bin/sh', ['-c', 'echo up; exec sleep 60']);
    await until(
      'sleep',
      () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' && status(pid, 'State') === 'S',
    );
    const file = newPath('profile');
    const trace = start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--duration',
      '900ms',
    ]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(pid, 'SIGCONT');
    await trace.end;
    expect([...callNames(readProfile(file).processes)].sort()).toEqual([
      'x86_64:clock_nanosleep',
      'x86_64:restart_syscall',
    ]);
  });

  it('says that it is not all: what came before was not seen', async () => {
    const { pid } = await victim(compile(SLEEPER));
    const profile = await attach([pid]);
    expect(profile.runs[0]).toMatchObject({
      method: 'ptrace',
      attached: [pid],
      complete: false,
      incomplete: [
        'attached to a running process: what it did before was not seen',
        'detached while the program was running',
      ],
    });
    expect(profile.phases.map(({ name }) => name)).toEqual(['setup']);
  });
});

describe('a function that a phase waits for in a process that was attached to', () => {
  const REACHES = String.raw`
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noinline)) int hot(int value) { syscall(SYS_getgid); return value + 1; }
__attribute__((noinline)) int rare(int value) { return value * 3 + 1; }
static void *loop(void *unused) { for (long i = 0;; i++) { hot(i); if (i % 64 == 0) usleep(100); } }
int main(int argc, char **argv) {
  pthread_t thread;
  for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, loop, NULL);
  puts("up"); fflush(stdout);
  while (access(argv[1], F_OK)) usleep(20000);
  _exit(rare(4) == 13 ? 0 : 5);
}
`;
  let program: string;
  beforeAll(() => {
    program = compile(REACHES, ['-pthread']);
  });

  it('begins the phase, and harms no thread that is about to reach it as well', async () => {
    const stop = newPath('stop');
    const { pid, end } = await victim(program, [stop]);
    for (let round = 0; round < 8; round++) {
      const profile = await attach(
        [pid],
        ['--phase', 'main@symbol:hot', '--duration', `${30 + round * 10}ms`],
      );
      expect(profile.processes[0]?.transitions.map(({ phase }) => phase)).toEqual([0, 1]);
    }
    writeFileSync(stop, '');
    expect(await end).toBe(0);
  });

  it('has no breakpoint any more when callgate has let go', async () => {
    const stop = newPath('stop');
    const { pid, end } = await victim(program, [stop]);
    const file = newPath('profile');
    const { status: code } = await start([
      'trace',
      '-q',
      '-o',
      file,
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--phase',
      'main@symbol:rare',
      '--duration',
      '100ms',
    ]).end;
    expect(code).toBe(0);
    expect(readProfile(file).runs[0]?.warnings).toEqual(['phase main never began: symbol:rare did not fire']);
    writeFileSync(stop, '');
    expect(await end).toBe(0);
  });
});

/** Its only thread ends half a second after the start, and the process, with 7, half a second later. */
const SHORT_THREAD = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *short_lived(void *unused) { for (int i = 0; i < 10; i++) { getppid(); usleep(50000); } return NULL; }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, short_lived, NULL);
  puts("up"); fflush(stdout);
  for (int i = 0; i < 20; i++) { getppid(); usleep(50000); }
  return 7;
}`;

/** Its first thread has ended; another goes on until it is killed. */
const HEADLESS = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *worker(void *unused) { for (;;) { getppid(); usleep(10000); } }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, worker, NULL);
  puts("up"); fflush(stdout);
  pthread_exit(NULL);
}`;

/** A child with a pid near the highest, whose threads get lower ones and last a moment each. Dies with its parent. */
const WRAPPED = `
#define _GNU_SOURCE
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *worker(void *unused) { usleep(100); return NULL; }
int main(void) {
  int highest = 0;
  FILE *file = fopen("/proc/sys/kernel/pid_max", "r");
  if (file == NULL || fscanf(file, "%d", &highest) != 1) return 1;
  for (pid_t pid = highest - 1; pid > highest - 100; pid--) {
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    long child = syscall(SYS_clone3, &args, sizeof args);
    if (child < 0) continue;
    if (child > 0) { printf("up %d\\n", pid); fflush(stdout); pause(); }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (pthread_t thread;;) {
      if (pthread_create(&thread, NULL, worker, NULL) == 0) pthread_join(thread, NULL);
    }
  }
  return 2;
}`;

describe('several --pid', () => {
  it('attach to several processes, each of which goes on', async () => {
    const program = compile(SLEEPER);
    const victims = [await victim(program), await victim(program), await victim(program)];
    const pids = victims.map(({ pid }) => pid);
    const profile = await attach(pids, ['--duration', '400ms']);
    expect(profile.processes.map(({ pid, birth }) => [pid, birth])).toEqual(
      pids.map((pid) => [pid, 'attach']),
    );
    for (const process of profile.processes) expect(countOf([process], 'getppid')).toBeGreaterThan(2);
    for (const pid of pids) expect(status(pid, 'TracerPid')).toBe('0');
  });

  it('of the same process attach once', async () => {
    const { pid } = await victim(compile(SLEEPER));
    const profile = await attach([pid, pid]);
    expect(profile.processes).toHaveLength(1);
  });

  it.each(['ptrace', 'ebpf'])('of its threads attach to the whole process, by %s', async (method) => {
    const program = compile(SHORT_THREAD, ['-pthread']);
    const { pid, end } = await victim(program);
    const tid = Math.max(...readdirSync(`/proc/${pid}/task`).map(Number));
    expect(tid).not.toBe(pid);
    const file = newPath();
    const { status: code } = callgate(
      ['trace', '-q', '-o', file, '--method', method, '--pid', `${tid}`, '--pid', `${pid}`],
      { timeout: 60_000 },
    );
    expect(code).toBe(0);
    expect(await end).toBe(7);
    const { runs, processes } = readProfile(file);
    expect(runs[0]?.attached).toEqual([pid]);
    expect(runs[0]?.warnings).toContain(`${tid} is a thread of process ${pid}, all of which is traced`);
    expect(processes).toMatchObject([{ pid, exit: { kind: 'exited', code: 7 } }]);
    expect(processes[0]?.threads.map((thread) => thread.tid)).toEqual([tid]);
  });

  it('of which one does not exist let the others go on untraced', async () => {
    const { pid } = await victim(compile(SLEEPER));
    const { status: code, stderr } = callgate([
      'trace',
      '-o',
      newPath(),
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
      '--method',
      'ptrace',
      '--pid',
      '4194303',
    ]);
    expect([code, stderr]).toEqual([2, 'callgate: trace: there is no process 4194303\n']);
    await until('the tracer to let go', () => status(pid, 'TracerPid') === '0');
    expect(['S', 'R']).toContain(status(pid, 'State'));
  });
});

describe('a process whose threads have lower ids than the first, as after the highest pid', () => {
  it('has its program and arguments by eBPF however shortly the threads live', async () => {
    const program = compile(WRAPPED, ['-pthread']);
    const { output } = await victim(program);
    const pid = Number(/up ([0-9]+)/.exec(output())?.[1]);
    for (let round = 0; round < 5; round++) {
      const { programs, processes, runs } = await attach([pid], ['--method', 'ebpf', '--duration', '20ms']);
      expect(runs[0]).toMatchObject({ command: [program], warnings: [] });
      expect(processes[0]?.argv).toEqual([program]);
      expect(programs[processes[0]?.program ?? -1]?.path).toBe(program);
    }
  });
});

describe('a process whose first thread has ended', () => {
  it('is attached to by eBPF', async () => {
    const { pid } = await victim(compile(HEADLESS, ['-pthread']));
    await until('its first thread to end', () => status(pid, 'State') === 'Z');
    const profile = await attach([pid], ['--method', 'ebpf', '--duration', '300ms']);
    expect(profile.processes).toMatchObject([{ pid, birth: 'attach' }]);
    expect(profile.programs[0]?.path).toMatch(/program$/);
    expect(countOf(profile.processes, 'getppid')).toBeGreaterThan(5);
  });

  it('is not by ptrace, which is said', async () => {
    const { pid } = await victim(compile(HEADLESS, ['-pthread']));
    await until('its first thread to end', () => status(pid, 'State') === 'Z');
    const args = ['trace', '-o', newPath(), '--method', 'ptrace', '--pid', `${pid}`];
    const { status: code, stderr } = callgate(args, { timeout: 60_000 });
    expect(code).toBe(2);
    expect(stderr).toBe(
      `callgate: trace: the first thread of process ${pid} has ended, and ptrace cannot follow a process of which only others go on (--method ebpf can, as root)\n`,
    );
  });
});

/** Its first thread ends as soon as a file is there; another goes on until it is killed. */
const BEHEADED = HEADLESS.replace('main(void)', 'main(int argc, char **argv)').replace(
  'pthread_exit',
  'while (access(argv[1], F_OK) != 0) usleep(10000); pthread_exit',
);

describe('a process whose first thread ends while it is traced', () => {
  it('is let go of when callgate is to end', async () => {
    const sign = newPath();
    const { pid } = await victim(compile(BEHEADED, ['-pthread']), [sign]);
    const file = newPath();
    const trace = start(['trace', '-q', '-o', file, '--method', 'ptrace', '--pid', `${pid}`]);
    await until('the tracer', () => tracers(pid).every((tracer) => tracer !== '0'));
    writeFileSync(sign, '');
    await until('its first thread to end', () => status(pid, 'State') === 'Z');
    trace.kill('SIGINT');
    expect(await Promise.race([trace.end, pause(10_000)])).toMatchObject({ status: 0 });
    expect(tracers(pid)).toEqual(['0']);
    expect(readProfile(file).processes).toMatchObject([{ pid, exit: { kind: 'detached' } }]);
  });
});

describe('a callgate that is killed while it is attached', () => {
  it('leaves the process running and untraced', async () => {
    const { pid } = await victim(compile(THREADS, ['-pthread']), ['5']);
    const trace = start(['trace', '-q', '-o', newPath(), '--method', 'ptrace', '--pid', `${pid}`]);
    await until('the tracer', () => tracers(pid).every((tracer) => tracer !== '0'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    trace.kill('SIGKILL');
    await trace.end;
    await until('the kernel to let go', () => tracers(pid).every((tracer) => tracer === '0'));
    const profile = await attach([pid]);
    expect(countOf(profile.processes, 'getppid')).toBeGreaterThan(10);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });
});

describe('a process that cannot be attached to', () => {
  it('because it is traced already is told with its tracer', async () => {
    const { pid } = await victim(compile(SLEEPER));
    const trace = start(['trace', '-q', '-o', newPath(), '--method', 'ptrace', '--pid', `${pid}`]);
    await until('the tracer', () => status(pid, 'TracerPid') !== '0');
    const { status: code, stderr } = callgate([
      'trace',
      '-o',
      newPath(),
      '--method',
      'ptrace',
      '--pid',
      `${pid}`,
    ]);
    trace.kill('SIGINT');
    await trace.end;
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^callgate: trace: process \d+ is already traced by pid \d+ \(.*node.*\); a process has one tracer/,
    );
  });

  it('because it has ended is told as a zombie', async () => {
    const { pid } = await victim('/bin/sh', ['-c', 'sleep 0 & echo up; exec sleep 60']);
    await until('the zombie', () => {
      const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      return child !== '' && status(Number(child), 'State') === 'Z';
    });
    const zombie = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const { status: code, stderr } = callgate([
      'trace',
      '-o',
      newPath(),
      '--method',
      'ptrace',
      '--pid',
      zombie,
    ]);
    expect([code, stderr]).toEqual([
      2,
      `callgate: trace: process ${zombie} has ended and waits for its parent (a zombie)\n`,
    ]);
  });
});
