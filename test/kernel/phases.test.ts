import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFunction } from '../../src/elf/function.ts';
import { parseElf } from '../../src/elf/header.ts';
import type { Process, Profile } from '../../src/profile/model.ts';
import {
  CALLGATE,
  callgate,
  callNames,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
  type Background,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

beforeAll(() => {
  // Control sockets of other traces on this machine are none of ours.
  process.env['XDG_RUNTIME_DIR'] = directory.path;
});

afterAll(() => directory[Symbol.dispose]());

let files = 0;

/** A path that is not used yet. */
function newPath(name = 'file'): string {
  return join(directory.path, `${name}-${files++}`);
}

/** Phases in which a process used a call. */
function phasesOf(process: Process | undefined, name: string): readonly number[] | undefined {
  return process?.calls.find((call) => call.name === name)?.phases;
}

/** Phases that a process went through. */
function path(process: Process | undefined): number[] | undefined {
  return process?.transitions.map(({ phase }) => phase);
}

function warnings(profile: Profile): readonly string[] {
  return profile.runs[0]?.warnings ?? [];
}

/** Whether a process is there and no zombie that waits for its parent. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A program that writes a line that lies, as does the array of buffers, in pages which it has not read from; then it waits, or ends. */
const UNTOUCHED = String.raw`
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char line[8192] __attribute__((aligned(4096))) = "ready\n";
static const struct iovec parts[512] __attribute__((aligned(4096))) = {
  { (void *)line, 3 }, { (void *)(line + 3), 3 }
};

static void *second(void *unused) {
  usleep(100000);
  /* What lies around it may have brought it in. */
  madvise((void *)line, sizeof line, MADV_DONTNEED);
  write(1, line, 6);
  usleep(300000);
  syscall(SYS_getgid);
  _exit(0);
}

int main(int count, char **words) {
  if (strcmp(words[1], "thread") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, second, NULL);
    syscall(SYS_exit, 0);
  }
  if (strcmp(words[1], "writev") == 0) writev(1, parts, 2);
  else write(1, line, 6);
  if (strcmp(words[1], "end") == 0) _exit(0);
  usleep(300000);
  syscall(SYS_getgid);
  return 0;
}
`;

/**
 * A program that does what its arguments say, one after the other, so that each test can be read by its command line.
 *
 * Letters are calls that nothing else makes: u getuid, p getppid, g getgid, e geteuid.
 */
const ACTOR = String.raw`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) int serve(int value) {
  syscall(SYS_getegid);
  return value * 3 + 1;
}
__attribute__((noinline)) int serve_more(int value) { return value * 5 + 2; }

static pthread_barrier_t barrier;
static void *together(void *argument) {
  pthread_barrier_wait(&barrier);
  long sum = 0;
  for (int i = 0; i < 100; i++) sum += serve(i);
  return (void *)sum;
}

static void listen_on(const char *where) {
  struct sockaddr_storage address = {0};
  socklen_t length;
  if (*where == '/' || *where == '.' || *where == '@') {
    struct sockaddr_un *local = (void *)&address;
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, where);
    length = offsetof(struct sockaddr_un, sun_path) + strlen(where) + (*where != '@');
    if (*where == '@') local->sun_path[0] = 0;
  } else if (*where == '6') {
    struct sockaddr_in6 *inet6 = (void *)&address;
    inet6->sin6_family = AF_INET6;
    inet6->sin6_addr = in6addr_loopback;
    inet6->sin6_port = htons(atoi(where + 2));
    length = sizeof *inet6;
  } else {
    struct sockaddr_in *inet = (void *)&address;
    inet->sin_family = AF_INET;
    inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    inet->sin_port = htons(atoi(where));
    length = sizeof *inet;
  }
  int fd = socket(address.ss_family, SOCK_STREAM, 0);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (void *)&address, length) || listen(fd, 5)) exit(99);
}

int main(int argc, char **argv) {
  int status = 0;
  for (int i = 1; i < argc; i++) {
    char *word = argv[i], *value = strchr(word, '=');
    if (value) *value++ = 0;
    if (!strcmp(word, "u")) syscall(SYS_getuid);
    else if (!strcmp(word, "p")) syscall(SYS_getppid);
    else if (!strcmp(word, "g")) syscall(SYS_getgid);
    else if (!strcmp(word, "e")) syscall(SYS_geteuid);
    else if (!strcmp(word, "serve")) status += serve(i);
    else if (!strcmp(word, "more")) status += serve_more(i);
    else if (!strcmp(word, "getenv")) status += getenv("CALLGATE_TEST_NOTHING") != NULL;
    else if (!strcmp(word, "code")) printf("%02x %02x\n", ((unsigned char *)serve)[0], ((unsigned char *)serve_more)[0]);
    else if (!strcmp(word, "sleep")) usleep(atoi(value) * 1000);
    else if (!strcmp(word, "listen")) listen_on(value);
    else if (!strcmp(word, "out")) { write(1, value, strlen(value)); }
    else if (!strcmp(word, "err")) { write(2, value, strlen(value)); }
    else if (!strcmp(word, "line")) { write(1, value, strlen(value)); write(1, "\n", 1); }
    else if (!strcmp(word, "vector")) {
      struct iovec parts[] = {{value, 2}, {value + 2, strlen(value) - 2}, {"\n", 1}};
      writev(1, parts, 3);
    } else if (!strcmp(word, "other")) {
      int fd = open("/dev/null", O_WRONLY | O_APPEND);
      int file = open(getenv("OTHER"), O_WRONLY | O_CREAT, 0600);
      write(file, value, strlen(value)); write(file, "\n", 1);
      close(file); close(fd);
    } else if (!strcmp(word, "touch")) close(open(value, O_WRONLY | O_CREAT, 0600));
    else if (!strcmp(word, "await")) { while (access(value, F_OK)) usleep(10000); }
    else if (!strcmp(word, "library")) {
      void *library = dlopen(value, RTLD_NOW);
      if (!library) { fprintf(stderr, "%s\n", dlerror()); exit(98); }
      int (*function)(int) = dlsym(library, "library_serve");
      status += function(i);
    } else if (!strcmp(word, "threads")) {
      int count = atoi(value);
      pthread_t threads[64];
      pthread_barrier_init(&barrier, NULL, count);
      for (int t = 0; t < count; t++) pthread_create(&threads[t], NULL, together, NULL);
      for (int t = 0; t < count; t++) {
        void *sum;
        pthread_join(threads[t], &sum);
        if ((long)sum != 14950) exit(97);
      }
    } else if (!strcmp(word, "ignore")) signal(SIGTERM, SIG_IGN);
    else if (!strcmp(word, "pause")) for (;;) pause();
    else if (!strcmp(word, "fork")) {
      /* What stands before "end" is the child's. */
      int last = i;
      while (last < argc && strcmp(argv[last], "end")) last++;
      pid_t child = fork();
      if (child) { i = last; continue; }
      argc = last;
    } else if (!strcmp(word, "wait")) { while (wait(NULL) > 0); }
    else if (!strcmp(word, "exec")) execv(argv[0], argv + i);
    else if (!strcmp(word, "exit")) _exit(atoi(value));
    else if (strcmp(word, "end")) exit(96);
    fflush(stdout);
  }
  return status;
}
`;

const LIBRARY = String.raw`
#include <sys/syscall.h>
#include <unistd.h>
int library_serve(int value) { syscall(SYS_getegid); return value + 1; }
`;

let actor: string;
let untouched: string;
let library: string;

beforeAll(() => {
  actor = compile(ACTOR, ['-pthread']);
  untouched = compile(UNTOUCHED, ['-pthread']);
  library = join(directory.path, 'libown.so.1');
  copyFileSync(compile(LIBRARY, ['-shared', '-fPIC']), library);
});

/** Traces the actor with these words as its arguments. */
function act(
  words: string,
  options: readonly string[],
  program: string = actor,
): ReturnType<typeof traceCommand> {
  return traceCommand([program, ...words.split(' ')], options);
}

describe('--phase main@syscall:NAME', () => {
  it('begins main with the call itself, which belongs to it', () => {
    const { profile, status } = act('u p g exit=7', ['--phase', 'main@syscall:getppid']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getppid')).toEqual([1]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
    expect(status).toBe(7);
  });

  it('notes the time of the call as the time of the transition', () => {
    const { profile } = act('u p', ['--phase', 'main@syscall:getppid']);
    const [process] = profile.processes;
    const call = process?.calls.find(({ name }) => name === 'getppid');
    expect(process?.transitions[1]).toEqual({ phase: 1, at: call?.first });
  });

  it('waits for the n-th use', () => {
    const { profile } = act('p p u p g', ['--phase', 'main@syscall:getppid#3']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getppid')).toEqual([0, 1]);
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it('counts in each process from zero', () => {
    const { profile } = act('p fork p u end wait g', ['--phase', 'main@syscall:getppid#2']);
    expect(profile.processes.map(path)).toEqual([[0], [0]]);
    expect(warnings(profile)).toEqual(['phase main never began: syscall:getppid#2 did not fire']);
  });

  it('switches the process that counts up and no other', () => {
    const { profile } = act('p fork p p u end wait g', ['--phase', 'main@syscall:getppid#2']);
    const [parent, child] = profile.processes;
    expect([path(parent), path(child)]).toEqual([[0], [0, 1]]);
    expect(phasesOf(child, 'getuid')).toEqual([1]);
    expect(phasesOf(parent, 'getgid')).toEqual([0]);
  });

  it('is inherited by children that are forked afterwards', () => {
    const { profile } = act('p fork u end wait', ['--phase', 'main@syscall:getppid']);
    const [, child] = profile.processes;
    expect(path(child)).toEqual([1]);
    expect(phasesOf(child, 'getuid')).toEqual([1]);
  });

  it('is kept across execve', () => {
    const { profile } = act('p exec u', ['--phase', 'main@syscall:getppid']);
    expect(profile.processes.map(path)).toEqual([[0, 1], [1]]);
    expect(phasesOf(profile.processes[1], 'getuid')).toEqual([1]);
  });

  it('works with two stops a call as well', () => {
    const { profile } = act('u p g', ['--method', 'ptrace', '--phase', 'main@syscall:getppid']);
    const [process] = profile.processes;
    expect([phasesOf(process, 'getuid'), phasesOf(process, 'getppid')]).toEqual([[0], [1]]);
  });

  it('finds a transition in a real program', () => {
    const { profile, status } = traceCommand(
      ['sh', '-c', 'true; ls / >/dev/null'],
      ['--phase', 'main@syscall:getdents64'],
    );
    const ls = profile.processes.at(-1);
    expect(phasesOf(ls, 'execve') ?? phasesOf(profile.processes.at(-2), 'execve')).toEqual([0]);
    expect(phasesOf(ls, 'getdents64')).toEqual([1]);
    expect(status).toBe(0);
  });
});

const flavours: readonly { name: string; flags: readonly string[] }[] = [
  { name: 'a position-independent executable', flags: ['-pie', '-fPIE', '-pthread'] },
  { name: 'a static executable at a fixed address', flags: ['-static', '-no-pie', '-pthread'] },
  { name: 'a static position-independent executable', flags: ['-static-pie', '-fPIE', '-pthread'] },
  { name: 'a stripped executable with dynamic symbols only', flags: ['-rdynamic', '-s', '-pthread'] },
];
const programs = new Map<string, string>();

beforeAll(() => {
  for (const { name, flags } of flavours) programs.set(name, compile(ACTOR, flags));
});

describe.each(['seccomp', 'ebpf'])('--phase main@symbol:FUNCTION with --method %s', (method) => {
  const byMethod = (
    command: readonly string[],
    options: readonly string[],
  ): ReturnType<typeof traceCommand> => traceCommand(command, ['--method', method, ...options]);
  const reach = (
    words: string,
    options: readonly string[],
    program: string = actor,
  ): ReturnType<typeof traceCommand> => byMethod([program, ...words.split(' ')], options);

  it('takes an address in the file as well', () => {
    const symbol = findFunction(parseElf(readFileSync(actor)), 'serve');
    const address = `0x${symbol?.value.toString(16)}`;
    const { profile } = reach('u p serve g', ['--phase', `main@symbol:program:${address}`]);
    expect(phasesOf(profile.processes[0], 'getuid')).toEqual([0]);
    expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
  });

  it.each(flavours)('begins main when $name reaches it', ({ name }) => {
    const { profile } = reach('u p serve g', ['--phase', 'main@symbol:serve'], programs.get(name));
    const [process] = profile.processes;
    expect(path(process)).toEqual([0, 1]);
    expect(phasesOf(process, 'getppid')).toEqual([0]);
    expect(phasesOf(process, 'getegid')).toEqual([1]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it('begins main in a library that the program was linked with', () => {
    const linked = join(directory.path, 'liblinked.so');
    copyFileSync(compile(LIBRARY, ['-shared', '-fPIC', '-Wl,-soname,liblinked.so']), linked);
    const program = compile(
      '#include <sys/syscall.h>\n#include <unistd.h>\nint library_serve(int);\nint main() { syscall(SYS_getuid); return library_serve(4); }\n',
      [linked, `-Wl,-rpath,${directory.path}`],
    );
    const { profile, status } = byMethod([program], ['--phase', 'main@symbol:liblinked.so:library_serve']);
    expect(status).toBe(5);
    expect(phasesOf(profile.processes[0], 'getuid')).toEqual([0]);
    expect(phasesOf(profile.processes[0], 'getegid')).toEqual([1]);
  });

  it.each([
    { name: 'the link by which it is started', object: (link: string) => basename(link) },
    { name: 'the path of that link', object: (link: string) => link },
    { name: 'its own path through a link', object: (link: string) => join(`${link}-folder`, 'program') },
  ])('knows a program by $name', ({ object }) => {
    // The program itself stands in another directory.
    const link = newPath('link');
    symlinkSync(actor, link);
    symlinkSync(dirname(actor), `${link}-folder`);
    const { profile } = reach('u serve g', ['--phase', `main@symbol:${object(link)}:serve`], link);
    const [process] = profile.processes;
    expect([phasesOf(process, 'getuid'), phasesOf(process, 'getgid')]).toEqual([[0], [1]]);
  });

  it('knows a program by a link beside it, although it is started by its own name', () => {
    const link = join(dirname(actor), 'link-beside');
    symlinkSync(actor, link);
    try {
      const { profile } = reach('u serve g', ['--phase', 'main@symbol:link-beside:serve']);
      expect(path(profile.processes[0])).toEqual([0, 1]);
    } finally {
      rmSync(link);
    }
  });

  it.each([
    { name: 'its soname', object: () => 'libmany.so.3' },
    { name: 'the path that ldd shows', object: (links: string) => join(links, 'libmany.so.3') },
    { name: 'the name of its file', object: () => 'libmany-3.1.so' },
    { name: 'the name before that', object: () => 'libmany-3.1' },
  ])('knows a library by $name', ({ object }) => {
    const [folder, links] = [newPath('folder'), newPath('links')];
    for (const each of [folder, links]) mkdirSync(each);
    const file = join(folder, 'libmany-3.1.so');
    copyFileSync(compile(LIBRARY, ['-shared', '-fPIC', '-Wl,-soname,libmany.so.3']), file);
    symlinkSync(file, join(links, 'libmany.so.3'));
    const program = compile('int library_serve(int);\nint main() { return library_serve(4); }\n', [
      file,
      `-Wl,-rpath,${links}`,
    ]);
    const { profile, status } = byMethod(
      [program],
      ['--phase', `main@symbol:${object(links)}:library_serve`],
    );
    expect([status, path(profile.processes[0])]).toEqual([5, [0, 1]]);
  });

  it('begins main at a function of libc', () => {
    const { profile } = reach('u getenv g', ['--phase', 'main@symbol:libc.so.6:getenv']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it('switches the forked child that reaches it and not its parent', () => {
    const { profile, status } = reach('fork serve g exit=0 end wait p', ['--phase', 'main@symbol:serve']);
    const [parent, child] = profile.processes;
    expect([path(parent), path(child)]).toEqual([[0], [0, 1]]);
    expect(phasesOf(child, 'getgid')).toEqual([1]);
    expect(phasesOf(parent, 'getppid')).toEqual([0]);
    expect(status).toBe(0);
  });

  it('waits for the function again if the next phase begins there too', () => {
    const { profile } = reach('serve p serve g', [
      '--phase',
      'one@symbol:serve',
      '--phase',
      'two@symbol:serve',
    ]);
    const [process] = profile.processes;
    expect(path(process)).toEqual([0, 1, 2]);
    expect([phasesOf(process, 'getppid'), phasesOf(process, 'getgid')]).toEqual([[1], [2]]);
  });

  it('waits for the parent still after its vfork child has reached it in the same memory', () => {
    const program = compile(`#include <unistd.h>
      __attribute__((noinline)) void serve(void) { asm volatile(""); }
      int main() { if (!vfork()) { serve(); _exit(0); } getppid(); serve(); getgid(); return 0; }`);
    const { profile } = byMethod([program], ['-q', '--phase', 'main@symbol:serve']);
    const [parent, child] = profile.processes;
    expect([path(parent), path(child)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect([phasesOf(parent, 'getppid'), phasesOf(parent, 'getgid')]).toEqual([[0], [1]]);
  });

  it('switches the parent later if it reaches the function as well', () => {
    const { profile } = reach('fork serve exit=0 end wait p serve g', ['--phase', 'main@symbol:serve']);
    const [parent] = profile.processes;
    expect(path(parent)).toEqual([0, 1]);
    expect(phasesOf(parent, 'getppid')).toEqual([0]);
    expect(phasesOf(parent, 'getgid')).toEqual([1]);
  });

  it('switches a child that was forked before its parent reached the function when it does so itself', () => {
    const ready = newPath();
    const { profile } = reach(`fork await=${ready} e serve g exit=0 end serve touch=${ready} wait`, [
      '--phase',
      'main@symbol:serve',
    ]);
    const [parent, child] = profile.processes;
    expect([path(parent), path(child)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect([phasesOf(child, 'geteuid'), phasesOf(child, 'getgid')]).toEqual([[0], [1]]);
    expect(child?.exit).toEqual({ kind: 'exited', code: 0 });
  });

  it.each(flavours)('does not change what $name returns', ({ name }) => {
    const program = programs.get(name) as string;
    const words = ['serve', 'serve', 'g', 'serve', 'out=end'];
    const untraced = run(program, words);
    const traced = byMethod([program, ...words], ['-q', '--phase', 'main@symbol:serve']);
    expect([traced.status, traced.stdout, traced.stderr]).toEqual([untraced.status, untraced.stdout, '']);
  });

  it('begins main in a library that is loaded later from the path that is given', () => {
    const { profile } = reach(`u library=${library} g`, ['--phase', `main@symbol:${library}:library_serve`]);
    const [process] = profile.processes;
    expect([phasesOf(process, 'getuid'), phasesOf(process, 'getegid')]).toEqual([[0], [1]]);
  });

  it('takes many threads that reach it at the same moment', () => {
    const { profile, status } = reach('u threads=16 g', ['--phase', 'main@symbol:serve']);
    expect([status, path(profile.processes[0])]).toEqual([0, [0, 1]]);
    expect(phasesOf(profile.processes[0], 'getegid')).toEqual([1]);
  });
});

describe('a breakpoint', () => {
  const reach = (words: string, options: readonly string[]): ReturnType<typeof traceCommand> =>
    traceCommand([actor, ...words.split(' ')], ['--method', 'seccomp', ...options]);

  it.each(flavours)('changes neither what $name returns nor its code afterwards', ({ name }) => {
    const program = programs.get(name) as string;
    const words = ['serve', 'serve', 'code', 'serve', 'out=end'];
    const untraced = run(program, words);
    const traced = traceCommand(
      [program, ...words],
      ['-q', '--method', 'seccomp', '--phase', 'main@symbol:serve'],
    );
    expect([traced.status, traced.stdout, traced.stderr]).toEqual([untraced.status, untraced.stdout, '']);
  });

  it('says so when no such function is ever reached', () => {
    const { profile, status } = reach('u exit=3', ['--phase', 'main@symbol:no_such_function']);
    expect(warnings(profile)).toEqual(['phase main never began: symbol:no_such_function did not fire']);
    expect(status).toBe(3);
  });

  it('says at once if the program has no object of the name, and begins main if that is loaded later', () => {
    const options = ['--method', 'seccomp', '--no-progress', '-o', newPath()];
    const phase = 'main@symbol:libown.so.1:library_serve';
    const trace = ['trace', ...options, '--phase', phase, '--', actor, `library=${library}`];
    expect(callgate(trace).stderr.split('\n')).toEqual([
      'callgate: phase main waits for symbol:libown.so.1:library_serve, and the program has no object of that name yet (it has program, libc.so.6, ld-linux-x86-64.so.2)',
      expect.stringMatching(/distinct system calls/),
      expect.stringMatching(/phases: setup \d+, main [1-9]/),
      expect.stringMatching(/profile: /),
      '',
    ]);
  });

  it.each([
    { symbol: 'no_such_function', searched: 'program, libc.so.6, ld-linux-x86-64.so.2' },
    { symbol: 'program:no_such_function', searched: 'program' },
    { symbol: 'libc.so.6:no_such_function', searched: 'libc.so.6' },
    { symbol: '0x999999999', searched: 'program, libc.so.6, ld-linux-x86-64.so.2' },
  ])('says at once that the program has no function $symbol', ({ symbol, searched }) => {
    const options = ['--method', 'seccomp', '--no-progress', '-o', newPath()];
    const phases = ['--phase', 'main@symbol:serve', '--phase', `second@symbol:${symbol}`];
    const [notice] = callgate(['trace', ...options, ...phases, '--', actor, 'g']).stderr.split('\n');
    const found = /\(looked in (.*)\)/
      .exec(notice as string)?.[1]
      ?.split(', ')
      .sort();
    expect(found).toEqual(searched.split(', ').sort());
    expect(notice?.replace(/\(.*\)/, '()')).toBe(
      `callgate: phase second waits for symbol:${symbol}, and the program has no such function yet (): unless a library or program that comes later has it, that never happens`,
    );
  });

  it('says nothing of a function that one of the triggers of a phase has', () => {
    const options = ['--method', 'seccomp', '--no-progress', '-o', newPath()];
    const phase = 'main@symbol:no_such_function | symbol:serve';
    expect(callgate(['trace', ...options, '--phase', phase, '--', actor, 'g']).stderr).not.toContain(
      'waits for',
    );
  });

  it('begins main in a library that is loaded later', () => {
    const { profile } = reach(`u library=${library} g`, ['--phase', 'main@symbol:libown.so.1:library_serve']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getegid')).toEqual([1]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it.each<{ name: string; object: () => string }>([
    { name: 'its path', object: () => `${library}:` },
    { name: 'what stands before .so', object: () => 'libown:' },
    { name: 'nothing at all', object: () => '' },
  ])('finds a library by $name', ({ object }) => {
    const { profile } = reach(`u library=${library} g`, ['--phase', `main@symbol:${object()}library_serve`]);
    expect(phasesOf(profile.processes[0], 'getegid')).toEqual([1]);
  });

  it('does not take a function of that name in another object', () => {
    const { profile } = reach(`serve library=${library}`, ['--phase', 'main@symbol:libown.so.1:serve']);
    expect(path(profile.processes[0])).toEqual([0]);
  });

  it('survives many threads that reach it at the same moment', () => {
    for (let round = 0; round < 5; round++) {
      const { profile, status, stdout } = reach('u threads=16 code g', ['--phase', 'main@symbol:serve']);
      const untraced = run(actor, ['code']);
      expect([status, stdout]).toEqual([0, untraced.stdout]);
      expect(path(profile.processes[0])).toEqual([0, 1]);
      expect(phasesOf(profile.processes[0], 'getegid')).toEqual([1]);
    }
  });

  it('finds the function in what execve put in place', () => {
    const { profile } = traceCommand(
      ['sh', '-c', `exec ${actor} u serve g`],
      ['--method', 'seccomp', '--phase', 'main@symbol:serve'],
    );
    const last = profile.processes.at(-1);
    expect(phasesOf(last, 'getuid')).toEqual([0]);
    expect(phasesOf(last, 'getegid')).toEqual([1]);
  });

  it('works with two stops a call as well', () => {
    const { profile } = reach(`u library=${library} g`, [
      '--method',
      'ptrace',
      '--phase',
      'main@symbol:libown.so.1:library_serve',
    ]);
    expect(phasesOf(profile.processes[0], 'getegid')).toEqual([1]);
  });
});

describe('--phase main@listen:', () => {
  it('a port switches the whole tree when it is listened on', async () => {
    const port = await freePort();
    const [before, after] = [newPath(), newPath()];
    const { profile } = act(
      `fork e touch=${before} await=${after} g end p await=${before} listen=${port} p touch=${after} wait`,
      ['--phase', `main@listen:${port}`],
    );
    const [parent, child] = profile.processes;
    expect(parent?.listens.map(({ address }) => address)).toEqual([`tcp:${port}`]);
    expect(phasesOf(parent, 'getppid')).toEqual([0, 1]);
    expect(phasesOf(child, 'geteuid')).toEqual([0]);
    expect(phasesOf(child, 'getgid')).toEqual([1]);
  });

  it('a port is found on IPv6 too', async () => {
    const port = await freePort();
    const { profile } = act(`listen=6:${port} g`, ['--phase', `main@listen:${port}`]);
    expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
  });

  it('another port does nothing', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const { profile } = act(`listen=${other} g`, ['--phase', `main@listen:${port}`]);
    expect(path(profile.processes[0])).toEqual([0]);
    expect(warnings(profile)).toEqual([`phase main never began: listen:${port} did not fire`]);
  });

  it('a path is that of a Unix socket', () => {
    const socket = newPath('socket');
    const { profile } = act(`u listen=${socket} g`, ['--phase', `main@listen:${socket}`]);
    expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
    expect(phasesOf(profile.processes[0], 'getuid')).toEqual([0]);
  });

  it.each(['seccomp', 'ebpf'])('a path is found if the socket was bound to a relative one: %s', (method) => {
    const socket = newPath('socket');
    const relative = `./${basename(socket)}`;
    const { profile } = traceCommand(
      [actor, 'u', `listen=${relative}`, 'sleep=500', 'g'],
      ['--method', method, '--phase', `main@listen:${socket}`],
      { cwd: dirname(socket) },
    );
    expect(profile.processes[0]?.listens.map(({ address }) => address)).toEqual([`unix:${socket}`]);
    expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
  });

  it('a name after @ is that of an abstract Unix socket', () => {
    const name = `@callgate-test-${process.pid}`;
    const { profile } = act(`u listen=${name} g`, ['--phase', `main@listen:${name}`]);
    expect(profile.processes[0]?.listens.map(({ address }) => address)).toEqual([`unix:${name}`]);
    expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
  });

  it('a call that fails does nothing', () => {
    // Nothing is bound to the path: bind fails there, and the actor gives up.
    const { profile, status } = act('listen=/proc/none/socket g', [
      '--phase',
      'main@listen:/proc/none/socket',
    ]);
    expect(status).toBe(99);
    expect(path(profile.processes[0])).toEqual([0]);
  });
});

describe('--phase main@output:/REGEX/', () => {
  it.each<{ name: string; words: string }>([
    { name: 'a line on stdout', words: 'u line=ready g' },
    { name: 'a line on stderr', words: 'u err=ready\n g' },
    { name: 'a line by writev', words: 'u vector=ready g' },
    { name: 'a line in several writes', words: 'u out=re out=ad out=y\n g' },
    { name: 'the second of two lines in one write', words: 'u out=first\nready\n g' },
  ])('begins main with $name', ({ words }) => {
    const { profile } = act(words, ['--phase', 'main@output:/^ready$/']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it.each(['seccomp', 'ptrace', 'ebpf'])(
    'looks at a prompt as well, which does not end its line: %s',
    (method) => {
      const { profile } = act('out=rea u out=dy> g', [
        '--method',
        method,
        '--phase',
        'main@output:/ready>$/',
      ]);
      expect(phasesOf(profile.processes[0], 'getuid')).toEqual([0]);
      expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
    },
  );

  describe.each(['seccomp', 'ebpf'])('by %s sees text that the program has never touched', (method) => {
    it.each<{ name: string; words: readonly string[]; redirection: string }>([
      { name: 'in a write', words: ['write'], redirection: '| cat' },
      {
        name: 'in a write to /dev/null, for which the kernel does not either',
        words: ['write'],
        redirection: '>/dev/null',
      },
      { name: 'in a writev, the buffers as well', words: ['writev'], redirection: '| cat' },
      { name: 'in a writev to /dev/null', words: ['writev'], redirection: '>/dev/null' },
    ])('$name', ({ words, redirection }) => {
      const file = newPath('profile');
      const command = `'${CALLGATE}' trace -q --method ${method} -o ${file} --phase 'main@output:/^ready$/'`;
      run('/bin/sh', ['-c', `${command} -- ${untouched} ${words.join(' ')} ${redirection}`]);
      const profile = readProfile(file);
      expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
      expect(profile.runs[0]).toMatchObject({ complete: true, warnings: [] });
    });
  });

  it.each(['seccomp', 'ptrace', 'ebpf'])(
    'by %s sees text that a thread writes when the first one has ended',
    (method) => {
      const file = newPath('profile');
      const command = `'${CALLGATE}' trace -q --method ${method} -o ${file} --phase 'main@output:/^ready$/'`;
      run('/bin/sh', ['-c', `${command} -- ${untouched} thread >/dev/null`]);
      const profile = readProfile(file);
      expect(phasesOf(profile.processes[0], 'getgid')).toEqual([1]);
      expect(profile.runs[0]).toMatchObject({ complete: true, warnings: [] });
    },
  );

  it('says so if its text could not be read before the process was gone', () => {
    const file = newPath('profile');
    const command = `'${CALLGATE}' trace -q --method ebpf -o ${file} --phase 'main@output:/^ready$/'`;
    run('/bin/sh', ['-c', `${command} -- ${untouched} end >/dev/null`]);
    const profile = readProfile(file);
    // callgate may have been quick enough.
    const isSeen = profile.phases[1]?.entered === true;
    expect(profile.runs[0]?.incomplete).toEqual(
      isSeen
        ? []
        : [
            '1 write could not be looked at for a trigger output:, for the memory of the process could not be read',
          ],
    );
  });

  it('does not look at other files', () => {
    const { profile } = traceCommand([actor, 'u', 'other=ready', 'g'], ['--phase', 'main@output:/ready/'], {
      env: { ...process.env, OTHER: newPath() },
    });
    expect(path(profile.processes[0])).toEqual([0]);
  });

  it('does not look at a file of another file system that has the same inode', () => {
    const [one, other, file] = [newPath('one'), newPath('other'), newPath('profile')];
    for (const place of [one, other]) mkdirSync(place);
    const command = `'${CALLGATE}' trace -q --method ebpf -o ${file} --phase main@output:/ready/ -- sh -c 'echo ready >${other}/file'`;
    const { status, stdout } = run('unshare', [
      '-m',
      'sh',
      '-ec',
      `for place in ${one} ${other}; do mount -t tmpfs none $place; echo >$place/file; stat -c %i $place/file; done; ${command} >${one}/file`,
    ]);
    const [first, second] = stdout.split('\n');
    expect([status, first]).toEqual([0, second]);
    expect(path(readProfile(file).processes[0])).toEqual([0]);
  });

  it.each([
    { name: 'of which stat tells another device', xino: 'off' },
    { name: 'whose inodes have the highest bit', xino: 'on' },
  ])('knows stdout on overlayfs, $name', ({ xino }) => {
    const [base, file] = [newPath('base'), newPath('profile')];
    mkdirSync(base);
    const command = `'${CALLGATE}' trace -q --method ebpf -o ${file} --phase main@output:/ready/ -- echo ready`;
    const { status } = run('unshare', [
      '-m',
      'sh',
      '-ec',
      `mount -t tmpfs none ${base}; cd ${base}; mkdir lower upper place; echo >lower/file; mount -t tmpfs none upper; mkdir upper/files upper/work;
       mount -t overlay none -o lowerdir=lower,upperdir=upper/files,workdir=upper/work,xino=${xino} place; ${command} >>place/file`,
    ]);
    expect(status).toBe(0);
    expect(path(readProfile(file).processes[0])).toEqual([0, 1]);
  });

  it('sees the lines of children', () => {
    const { profile } = traceCommand(
      ['sh', '-c', '/bin/echo ready; ls / >/dev/null'],
      ['--phase', 'main@output:/^ready$/'],
    );
    const ls = profile.processes.find(({ argv }) => argv?.[0] === 'ls');
    expect(path(ls)).toEqual([1]);
  });

  it('switches the whole tree', () => {
    const ready = newPath();
    const { profile } = act(`fork await=${ready} g end line=ready touch=${ready} wait`, [
      '--phase',
      'main@output:/ready/',
    ]);
    expect(profile.processes.map(path)).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it.each<{ name: string; redirection: () => string }>([
    { name: 'a file', redirection: () => `>${newPath()}` },
    { name: '/dev/null', redirection: () => '>/dev/null' },
    { name: 'a pipe', redirection: () => '| cat' },
    { name: 'the same file as stderr', redirection: () => `>${newPath()} 2>&1` },
  ])('works with stdout as $name', ({ redirection }) => {
    const file = newPath('profile');
    run('/bin/sh', [
      '-c',
      `'${CALLGATE}' trace -q -o ${file} --phase 'main@output:/^ready$/' -- ${actor} u line=ready g ${redirection()}`,
    ]);
    const [process] = readProfile(file).processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it('works with stdout as a terminal', () => {
    const file = newPath('profile');
    const command = `'${CALLGATE}' trace -q -o ${file} --phase 'main@output:/^ready$/' -- ${actor} u line=ready g`;
    const { stdout } = run('script', ['-qec', command, '/dev/null']);
    expect(stdout).toBe('ready\r\n');
    expect(phasesOf(readProfile(file).processes[0], 'getgid')).toEqual([1]);
  });
});

describe('--phase main@after:DURATION', () => {
  it('switches the whole tree by time', () => {
    const { profile } = act('u fork sleep=900 e exit=0 end sleep=900 g wait', [
      '--phase',
      'main@after:400ms',
    ]);
    const [parent, child] = profile.processes;
    expect([path(parent), path(child)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(phasesOf(parent, 'getuid')).toEqual([0]);
    expect(phasesOf(parent, 'getgid')).toEqual([1]);
    expect(phasesOf(child, 'geteuid')).toEqual([1]);
    expect(parent?.transitions[1]?.at).toBeGreaterThan(350e6);
    expect(parent?.transitions[1]?.at).toBeLessThan(900e6);
  });
});

/** Starts a trace of the actor that announces itself and waits for a file. */
async function waitingTrace(
  options: readonly string[],
): Promise<{ trace: Background; file: string; go: string }> {
  const [file, go] = [newPath('profile'), newPath('go')];
  const trace = start(['trace', '-o', file, ...options, '--', actor, 'u', 'line=up', `await=${go}`, 'g']);
  await trace.waitFor('up\n');
  return { trace, file, go };
}

describe('--phase main@key', () => {
  it('begins main at callgate phase main', async () => {
    const { trace, file, go } = await waitingTrace(['--phase', 'main@key']);
    const { status, stderr } = callgate(['phase', 'main']);
    expect([status, stderr]).toEqual([0, 'callgate: phase main begins\n']);
    const again = (): string => callgate(['phase', 'main']).stderr;
    await expect.poll(again, { timeout: 20_000 }).toBe('callgate: phase main has begun already\n');
    writeFileSync(go, '');
    expect((await trace.end).status).toBe(0);
    const [process] = readProfile(file).processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getgid')).toEqual([1]);
  });

  it('tells how to begin main where there is no terminal', async () => {
    const file = newPath('profile');
    const { stderr } = run('setsid', [
      '-w',
      CALLGATE,
      'trace',
      '-o',
      file,
      '--phase',
      'main@key',
      '--',
      actor,
      'u',
    ]);
    expect(stderr).toContain('callgate: no terminal to wait for Enter on; use: callgate phase main\n');
  });

  it('takes any phase by hand, whatever its trigger', async () => {
    const { trace, file, go } = await waitingTrace(['--phase', 'main@listen:9']);
    expect(callgate(['phase', 'main']).status).toBe(0);
    writeFileSync(go, '');
    await trace.end;
    expect(phasesOf(readProfile(file).processes[0], 'getgid')).toEqual([1]);
  });

  it('keeps the control socket to the user alone, and removes it at the end', async () => {
    const { trace, go } = await waitingTrace(['--phase', 'main@key']);
    const sockets = join(directory.path, 'callgate');
    const socket = join(sockets, `${trace.pid}.sock`);
    expect(statSync(sockets).mode & 0o777).toBe(0o700);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    writeFileSync(go, '');
    await trace.end;
    expect(existsSync(socket)).toBe(false);
  });

  it('answers an unknown phase with those that there are', async () => {
    const { trace, go } = await waitingTrace(['--phase', 'main@key', '--phase', 'late@key']);
    const { status, stderr } = callgate(['phase', 'mian']);
    writeFileSync(go, '');
    await trace.end;
    expect([status, stderr]).toEqual([2, 'callgate: phase: there is no phase "mian" (phases: main, late)\n']);
  });

  it('says so when nothing is traced', () => {
    const { status, stderr } = callgate(['phase', 'main']);
    expect([status, stderr]).toEqual([
      2,
      'callgate: phase: no trace with phases is running (start one with callgate trace --phase NAME@key)\n',
    ]);
  });

  it('wants to know which trace is meant if there are several', async () => {
    const one = await waitingTrace(['--phase', 'main@key']);
    const two = await waitingTrace(['--phase', 'main@key']);
    const unclear = callgate(['phase', 'main']);
    const chosen = callgate(['phase', '--trace', `${two.trace.pid}`, 'main']);
    for (const { go } of [one, two]) writeFileSync(go, '');
    await Promise.all([one.trace.end, two.trace.end]);
    const pids = [one.trace.pid, two.trace.pid].sort((a, b) => a - b).join(', ');
    expect([unclear.status, unclear.stderr]).toEqual([
      2,
      `callgate: phase: several traces are running: ${pids} (choose with --trace PID)\n`,
    ]);
    expect(chosen.status).toBe(0);
    expect(path(readProfile(one.file).processes[0])).toEqual([0]);
    expect(path(readProfile(two.file).processes[0])).toEqual([0, 1]);
  });

  it('says so when the trace that is meant is not there', () => {
    const { status, stderr } = callgate(['phase', '--trace', '1', 'main']);
    expect([status, stderr]).toEqual([2, 'callgate: phase: no trace of callgate process 1 can be reached\n']);
  });

  it('passes over what a killed trace left behind', async () => {
    const { trace } = await waitingTrace(['--phase', 'main@key']);
    trace.kill('SIGKILL');
    await trace.end;
    const socket = join(directory.path, 'callgate', `${trace.pid}.sock`);
    expect(existsSync(socket)).toBe(true);
    expect(callgate(['phase', 'main']).stderr).toContain('no trace with phases is running');
    // One that refuses may be about to listen, as long as it is new.
    lutimesSync(socket, 1, 1);
    expect(callgate(['phase', 'main']).stderr).toContain('no trace with phases is running');
    expect(existsSync(socket)).toBe(false);
  });

  it('is not misled by a pid that is another process by now', async () => {
    const { trace: killed } = await waitingTrace(['--phase', 'main@key']);
    killed.kill('SIGKILL');
    await killed.end;
    const sockets = join(directory.path, 'callgate');
    renameSync(join(sockets, `${killed.pid}.sock`), join(sockets, `${process.pid}.sock`));
    expect(callgate(['phase', 'main']).stderr).toContain('no trace with phases is running');
    const { trace, go } = await waitingTrace(['--phase', 'main@key']);
    expect(callgate(['phase', 'main'])).toMatchObject({ status: 0, stderr: 'callgate: phase main begins\n' });
    writeFileSync(go, '');
    await trace.end;
    rmSync(join(sockets, `${process.pid}.sock`), { force: true });
  });

  it('refuses a --trace that is no pid', () => {
    for (const word of ['abc', '0', '1.5']) {
      const { status, stderr } = callgate(['phase', '--trace', word, 'main']);
      expect(stderr).toContain(`argument '${word}' is invalid. ${word} is not a process id.`);
      expect(status).toBe(2);
    }
  });

  it('says of a directory that cannot be made why, and which variable names it', () => {
    const env = { ...process.env, XDG_RUNTIME_DIR: '', TMPDIR: '/proc/nosuch' };
    expect(callgate(['phase', 'main'], { env }).stderr).toMatch(
      /^callgate: control socket: cannot make \/proc\/nosuch\/callgate-[0-9]+, ENOENT \(TMPDIR is to name a directory to write to\)\n$/,
    );
  });

  it('refuses a directory that others may enter', () => {
    const runtime = newPath('runtime');
    mkdirSync(join(runtime, 'callgate'), { recursive: true });
    chmodSync(join(runtime, 'callgate'), 0o755);
    const { status, stderr } = callgate(['phase', 'main'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
    });
    expect(status).toBe(2);
    expect(stderr).toContain('is not a directory of ours alone (mode 0700)');
  });
});

/** Runs a shell command on a terminal of its own; what is written to it is typed there. */
function onTerminal(command: string): {
  type(text: string): void;
  waitFor(text: string): Promise<void>;
  end: Promise<string>;
} {
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk));
  const end = once(child, 'close').then(() => shown);
  return {
    type: (text) => void child.stdin.write(text),
    end,
    waitFor: async (text) => {
      const limit = Date.now() + 20_000;
      while (!shown.includes(text)) {
        if (Date.now() > limit)
          throw new Error(`the terminal never showed ${JSON.stringify(text)}: ${shown}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

describe('Enter on the terminal', () => {
  it('begins the phases that wait for a key one after the other', async () => {
    const [file, one, two] = [newPath('profile'), newPath('one'), newPath('two')];
    const terminal = onTerminal(
      `'${CALLGATE}' trace --no-progress -o ${file} --phase a@key --phase b@key -- ${actor} u line=up await=${one} p await=${two} g`,
    );
    await terminal.waitFor('up');
    expect(
      await terminal.waitFor('press Enter for phase a, then b; the program reads /dev/null'),
    ).toBeUndefined();
    terminal.type('\n');
    await terminal.waitFor('phase a begins');
    writeFileSync(one, '');
    await terminal.waitFor('phase a begins');
    await new Promise((resolve) => setTimeout(resolve, 100));
    terminal.type('\n');
    await terminal.waitFor('phase b begins');
    writeFileSync(two, '');
    await terminal.end;
    const [process] = readProfile(file).processes;
    expect(phasesOf(process, 'getuid')).toEqual([0]);
    expect(phasesOf(process, 'getppid')).toEqual([1]);
    expect(phasesOf(process, 'getgid')).toEqual([2]);
  });

  it('tells that the program is ready with --ready key', async () => {
    const [file, mark] = [newPath('profile'), newPath('mark')];
    const terminal = onTerminal(
      `'${CALLGATE}' trace --no-progress -o ${file} --ready key --workload 'touch ${mark}' -- ${actor} line=up pause`,
    );
    await terminal.waitFor('up');
    await terminal.waitFor('press Enter for phase ready');
    expect(existsSync(mark)).toBe(false);
    terminal.type('\n');
    await terminal.end;
    expect(existsSync(mark)).toBe(true);
    expect(readProfile(file).runs[0]?.workload?.exit).toEqual({ kind: 'exited', code: 0 });
  });
});

describe('several phases', () => {
  it('follow one another by triggers of different kinds', () => {
    const { profile } = act('u p line=ready g serve e', [
      '--phase',
      'one@syscall:getppid',
      '--phase',
      'two@output:/ready/',
      '--phase',
      'three@symbol:serve',
    ]);
    const [process] = profile.processes;
    expect(path(process)).toEqual([0, 1, 2, 3]);
    expect(['getuid', 'getppid', 'getgid', 'geteuid'].map((name) => phasesOf(process, name))).toEqual([
      [0],
      [1],
      [2],
      [3],
    ]);
    expect(profile.phases).toEqual([
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      { name: 'one', trigger: 'syscall:getppid', source: 'given', reason: null, entered: true },
      { name: 'two', trigger: 'output:/ready/', source: 'given', reason: null, entered: true },
      { name: 'three', trigger: 'symbol:serve', source: 'given', reason: null, entered: true },
    ]);
  });

  it('wait for the phase before', () => {
    const { profile } = act('g u p g', ['--phase', 'one@syscall:getppid', '--phase', 'two@syscall:getgid']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getgid')).toEqual([0, 2]);
    expect(phasesOf(process, 'getuid')).toEqual([0]);
  });

  it('that begin with the same call need it twice', () => {
    const { profile } = act('p u p g', ['--phase', 'one@syscall:getppid', '--phase', 'two@syscall:getppid']);
    const [process] = profile.processes;
    expect(phasesOf(process, 'getuid')).toEqual([1]);
    expect(phasesOf(process, 'getgid')).toEqual([2]);
  });

  it('that never begin are named one by one, and the exit code is that of the program', () => {
    const { profile, status, stderr } = act('u exit=7', [
      '--phase',
      'one@syscall:getppid',
      '--phase',
      'two@symbol:serve',
    ]);
    expect(status).toBe(7);
    expect(warnings(profile)).toEqual([
      'phase one never began: syscall:getppid did not fire',
      'phase two never began: symbol:serve did not fire',
    ]);
    expect(stderr).toContain('callgate: warning: phase one never began: syscall:getppid did not fire\n');
    expect(profile.phases.map(({ entered }) => entered)).toEqual([true, false, false]);
  });

  it('may not have the same name', () => {
    const { status, stderr } = callgate(['trace', '--phase', 'a@key', '--phase', 'a@key', '--', 'true']);
    expect([status, stderr]).toEqual([2, 'callgate: phase: a is given twice\n']);
  });
});

describe('--ready', () => {
  it.each<{ name: string; trigger: (port: number) => string; words: (port: number) => string }>([
    { name: 'syscall', trigger: () => 'syscall:getppid', words: () => 'p' },
    { name: 'symbol', trigger: () => 'symbol:serve', words: () => 'serve' },
    { name: 'listen', trigger: (port) => `listen:${port}`, words: (port) => `listen=${port}` },
    { name: 'output', trigger: () => 'output:/^ready/', words: () => 'line=ready' },
    { name: 'after', trigger: () => 'after:600ms', words: () => 'u' },
  ])('$name starts the workload when it fires and not before', async ({ trigger, words }) => {
    const [port, mark] = [await freePort(), newPath('mark')];
    const { profile, signal } = act(`u sleep=200 touch=${mark} ${words(port)} pause`, [
      '--ready',
      trigger(port),
      '--workload',
      `test -e ${mark}`,
    ]);
    expect(profile.runs[0]?.workload).toEqual({
      command: `test -e ${mark}`,
      exit: { kind: 'exited', code: 0 },
    });
    expect(signal).toBe('SIGTERM');
  });

  it('key starts the workload at callgate phase ready', async () => {
    const mark = newPath('mark');
    const { trace, file } = await waitingTrace(['--ready', 'key', '--workload', `test -e ${mark}`]);
    writeFileSync(mark, '');
    expect(callgate(['phase', 'ready']).status).toBe(0);
    expect((await trace.end).signal).toBe('SIGTERM');
    expect(readProfile(file).runs[0]?.workload?.exit).toEqual({ kind: 'exited', code: 0 });
  });

  it('counts the duration from then on', () => {
    const { profile, signal } = act('sleep=500 p pause', [
      '--ready',
      'syscall:getppid',
      '--duration',
      '300ms',
    ]);
    expect(signal).toBe('SIGTERM');
    expect(profile.runs[0]?.duration).toBeGreaterThan(780e6);
  });

  it('that does not come in time ends the program, says so and gives exit code 2', () => {
    const { profile, status, stderr } = act('u pause', ['--ready', 'listen:9', '--ready-timeout', '300ms']);
    const message =
      'trace: the program was not ready within 300 ms, for listen:9 did not fire; it has been ended (a longer --ready-timeout, or another --ready)';
    expect(status).toBe(2);
    expect(stderr).toContain(`callgate: ${message}\n`);
    expect(stderr.split(message)).toHaveLength(2);
    expect(profile.processes[0]?.exit).toEqual({ kind: 'signaled', signal: 'SIGTERM', core: false });
    expect(profile.runs[0]).toMatchObject({ complete: false, incomplete: [message] });
  });

  it('that comes in time is not timed out later', () => {
    const { status } = act('p sleep=600 exit=4', ['--ready', 'syscall:getppid', '--ready-timeout', '300ms']);
    expect(status).toBe(4);
  });
});

describe('the planned end', () => {
  it('comes after the duration, by SIGTERM', () => {
    const { profile, signal } = act('u pause', ['--duration', '300ms']);
    expect(signal).toBe('SIGTERM');
    expect(profile.processes[0]?.exit).toEqual({ kind: 'signaled', signal: 'SIGTERM', core: false });
    expect(profile.runs[0]?.duration).toBeGreaterThan(290e6);
    expect(profile.runs[0]?.complete).toBe(true);
  });

  it('is far away with a long duration', () => {
    const { status } = act('sleep=200 exit=5', ['--duration', '30d']);
    expect(status).toBe(5);
  });

  it('is SIGKILL after the grace time for a program that ignores SIGTERM', () => {
    const { profile, signal } = act('ignore pause', ['--duration', '300ms', '--grace', '300ms']);
    expect(signal).toBe('SIGKILL');
    expect(profile.processes[0]?.exit).toEqual({ kind: 'signaled', signal: 'SIGKILL', core: false });
    expect(profile.runs[0]?.duration).toBeGreaterThan(590e6);
  });

  it('reaches what the program leaves behind by SIGTERM as well', () => {
    const { profile } = traceCommand(
      ['sh', '-c', `${actor} line=up pause; true`],
      ['--ready', 'output:/up/', '--duration', '100ms'],
    );
    expect(profile.processes.at(-1)?.exit).toEqual({ kind: 'signaled', signal: 'SIGTERM', core: false });
    expect(profile.runs[0]?.duration).toBeLessThan(5e9);
  });

  it('reaches children that ignore SIGTERM, when the program itself has gone', () => {
    const { profile, signal } = act('fork ignore line=up pause end pause', [
      '--ready',
      'output:/up/',
      '--duration',
      '100ms',
      '--grace',
      '300ms',
    ]);
    expect(signal).toBe('SIGTERM');
    expect(profile.processes.map(({ exit }) => exit?.kind === 'signaled' && exit.signal)).toEqual([
      'SIGTERM',
      'SIGKILL',
    ]);
  });

  it('leaves the program that ends by itself its exit code', () => {
    const { status } = act('sleep=100 exit=6', ['--duration', '20s']);
    expect(status).toBe(6);
  });
});

describe('a workload', () => {
  it('that fails is recorded', () => {
    const { profile, signal } = act('pause', ['--workload', 'exit 3']);
    expect(profile.runs[0]?.workload).toEqual({ command: 'exit 3', exit: { kind: 'exited', code: 3 } });
    expect(signal).toBe('SIGTERM');
  });

  it('that a signal ends is recorded', () => {
    const { profile } = act('pause', ['--workload', 'kill -USR1 $$']);
    expect(profile.runs[0]?.workload?.exit).toEqual({ kind: 'signaled', signal: 'SIGUSR1', core: false });
  });

  it('is not traced', () => {
    const { profile } = act('pause', ['--workload', 'ls /']);
    expect(profile.processes).toHaveLength(1);
    expect(callNames(profile.processes)).not.toContain('x86_64:getdents64');
  });

  it('prints to stderr, for stdout is the program’s', () => {
    const { stdout, stderr } = act('line=program pause', [
      '--ready',
      'output:/program/',
      '--workload',
      'echo workload',
    ]);
    expect(stdout).toBe('program\n');
    expect(stderr).toContain('workload\n');
  });

  it('is ended when the program ends before it, with all that it started', () => {
    const pid = newPath('pid');
    const began = Date.now();
    const { profile, status } = act('sleep=300 exit=5', ['--workload', `sleep 30 & echo $! >${pid}; wait`]);
    expect(status).toBe(5);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(profile.runs[0]?.workload?.exit).toEqual({ kind: 'signaled', signal: 'SIGTERM', core: false });
    expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });
});

describe('a server that makes itself a daemon', () => {
  it('is traced on when its parent has gone, and ended by the planned stop', async () => {
    const port = await freePort();
    const dir = newPath('nginx');
    mkdirSync(dir);
    chmodSync(directory.path, 0o755);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    writeFileSync(
      join(dir, 'nginx.conf'),
      `daemon on; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 64; }
http { access_log off; ${temporary.map((each) => `${each}_temp_path ${dir}/${each};`).join(' ')}
server { listen 127.0.0.1:${port}; location / { return 200 'hello'; } } }
`,
    );
    const { profile, status, stderr } = traceCommand(
      ['nginx', '-p', dir, '-e', `${dir}/error.log`, '-c', `${dir}/nginx.conf`],
      // The port is listened on before the fork: give the worker a moment to be there.
      [
        '--ready',
        'syscall:epoll_wait',
        '--workload',
        `sleep 0.2; curl -sf http://127.0.0.1:${port}/; sleep 0.2`,
      ],
    );
    expect(status).toBe(0);
    expect(stderr).toContain('hello');
    const [launched, master, worker] = profile.processes;
    expect(profile.processes).toHaveLength(3);
    expect(launched?.exit).toEqual({ kind: 'exited', code: 0 });
    expect([master?.parent, worker?.parent]).toEqual([0, 1]);
    expect([master?.exit, worker?.exit]).toEqual([
      { kind: 'exited', code: 0 },
      { kind: 'exited', code: 0 },
    ]);
    expect(callNames([worker as Process])).toContain('x86_64:accept4');
    expect(launched?.end).toBeLessThan(worker?.end ?? 0);
  });
});
