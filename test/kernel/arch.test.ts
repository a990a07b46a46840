import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Call, Process, Profile } from '../../src/profile/model.ts';
import { temporaryDirectory, traceCommand } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

/** Listens on the Unix socket argv[2], or executes argv[2] with the rest. */
const VICTIM = String.raw`
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "listen")) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, argv[2]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1)) return 1;
    return 0;
  }
  if (argc > 2 && !strcmp(argv[1], "exec")) {
    execv(argv[2], argv + 2);
    return 1;
  }
  if (argc > 1 && !strcmp(argv[1], "fork")) {
    if (fork() == 0) for (int i = 0; i < 3; i++) syscall(SYS_getppid);
    return 0;
  }
  for (int i = 0; i < 5; i++) syscall(SYS_getppid);
  return 0;
}
`;

const INT80 = String.raw`
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  int result, pid = getpid(), parent = getppid();
  for (int i = 0; i < 3; i++) {
    /* 64 is getppid of i386, and semget of x86-64. */
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(64) : "r8", "r9", "r10", "r11", "memory");
    if (result != parent) return 1;
  }
  return 0;
}
`;

const NUMBERS = String.raw`
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  for (int i = 0; i < 2; i++) syscall(0x40000000 | 39);
  if (syscall(9999) != -1 || errno != ENOSYS) return 1;
  if (syscall(100000000) != -1 || errno != ENOSYS) return 2;
  if (syscall(-1) != -1 || errno != ENOSYS) return 3;
  return 0;
}
`;

let victim64 = '';
let victim32 = '';
let int80 = '';
let numbers = '';

beforeAll(() => {
  victim64 = compile(VICTIM);
  victim32 = compile(VICTIM, ['-m32']);
  int80 = compile(INT80);
  numbers = compile(NUMBERS);
});

function callOf(
  process: Process | undefined,
  arch: string,
  nr: number,
): Pick<Call, 'name' | 'count'> | undefined {
  const call = process?.calls.find((candidate) => candidate.arch === arch && candidate.nr === nr);
  return call === undefined ? undefined : { name: call.name, count: call.count };
}

/** Arches of all calls but the launcher's execve, which is always of x86-64. */
function archesOf(process: Process | undefined): Set<string> {
  return new Set(process?.calls.filter(({ launch }) => launch !== true).map(({ arch }) => arch));
}

describe.each(['seccomp', 'ptrace', 'ebpf'])('arches under --method %s', (method) => {
  const traceProgram = (
    ...command: string[]
  ): { status: number | null; profile: Profile; process: Process | undefined } => {
    const { status, profile } = traceCommand(command, ['--method', method]);
    return { status, profile, process: profile.processes[0] };
  };

  it('records the calls of a 32-bit program by i386 numbers', () => {
    const { status, process } = traceProgram(victim32);
    expect(status).toBe(0);
    expect(archesOf(process)).toEqual(new Set(['i386']));
    expect(callOf(process, 'i386', 64)).toEqual({ name: 'getppid', count: 5 });
  });

  it('follows the fork of a 32-bit program', () => {
    const { profile } = traceProgram(victim32, 'fork');
    expect(profile.processes).toHaveLength(2);
    expect(archesOf(profile.processes[1])).toEqual(new Set(['i386']));
    expect(callOf(profile.processes[1], 'i386', 64)).toEqual({ name: 'getppid', count: 3 });
  });

  it.each(['x86_64', 'i386'])('records the address on which a program listens: %s', (arch) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'socket');
    const { status, process } = traceProgram(arch === 'i386' ? victim32 : victim64, 'listen', path);
    expect(status).toBe(0);
    expect(process?.listens.map(({ address }) => address)).toEqual([`unix:${path}`]);
  });

  it('records a listening socket of socketcall, which is how 32-bit programs of old listen', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'socket');
    const program = compile(
      String.raw`
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, argv[1]);
  long create[] = {AF_UNIX, SOCK_STREAM, 0};
  long fd = syscall(SYS_socketcall, 1, create);
  long name[] = {fd, (long)&address, sizeof address};
  long backlog[] = {fd, 1};
  return syscall(SYS_socketcall, 2, name) || syscall(SYS_socketcall, 4, backlog);
}
`,
      ['-m32'],
    );
    const { status, process } = traceProgram(program, path);
    expect(status).toBe(0);
    expect(callOf(process, 'i386', 102)).toEqual({ name: 'socketcall', count: 3 });
    expect(process?.listens.map(({ address }) => address)).toEqual([`unix:${path}`]);
  });

  it('records int 0x80 of a 64-bit program as a call of i386', () => {
    const { status, process } = traceProgram(int80);
    expect(status).toBe(0);
    expect(archesOf(process)).toEqual(new Set(['x86_64', 'i386']));
    expect(callOf(process, 'i386', 64)).toEqual({ name: 'getppid', count: 3 });
    expect(callOf(process, 'x86_64', 64)).toBeUndefined();
  });

  it('records an x32 call by its number without bit 30', () => {
    const { process } = traceProgram(numbers);
    expect(callOf(process, 'x32', 39)).toEqual({ name: 'getpid', count: 2 });
    expect(callOf(process, 'x86_64', 39)).toBeUndefined();
  });

  // syscall(-1) is the last: documents have the 32 bits as an unsigned number.
  it.each([9999, 100_000_000, 0xffff_ffff])('keeps the unknown number %i, without a name', (nr) => {
    const { status, process } = traceProgram(numbers);
    expect(status).toBe(0);
    expect(callOf(process, 'x86_64', nr)).toEqual({ name: null, count: 1 });
  });

  it('goes on with the other arch when a 32-bit program executes a 64-bit one', () => {
    const { profile } = traceProgram(victim32, 'exec', victim64);
    const [before, after] = profile.processes;
    expect(archesOf(before)).toEqual(new Set(['i386']));
    expect(callOf(before, 'i386', 11)).toEqual({ name: 'execve', count: 1 });
    expect(archesOf(after)).toEqual(new Set(['x86_64']));
    expect(callOf(after, 'x86_64', 110)).toEqual({ name: 'getppid', count: 5 });
  });

  it('goes on with the other arch when a 64-bit program executes a 32-bit one', () => {
    const { profile } = traceProgram(victim64, 'exec', victim32);
    const [before, after] = profile.processes;
    expect(archesOf(before)).toEqual(new Set(['x86_64']));
    expect(archesOf(after)).toEqual(new Set(['i386']));
    expect(callOf(after, 'i386', 64)).toEqual({ name: 'getppid', count: 5 });
  });
});
