import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Process } from '../../src/profile/model.ts';
import {
  callgate,
  callKey,
  readProfile,
  run,
  start,
  temporaryDirectory,
  traceCommand,
} from '../support/callgate.ts';
import { compile } from '../support/compile.ts';

let native: string;
let i386: string;

beforeAll(() => {
  const source = readFileSync(new URL('fixtures/errors.c', import.meta.url), 'utf8');
  native = compile(source, ['-pthread']);
  i386 = compile(source, ['-pthread', '-m32']);
});

/** `call ERROR` to count, of one process. */
function errorsOf({ calls }: Process): Record<string, number> {
  return Object.fromEntries(
    calls.flatMap((call) =>
      Object.entries(call.errnos ?? {}).map(([name, count]) => [`${callKey(call)} ${name}`, count]),
    ),
  );
}

/** Errors of the processes after the exec of the program, in the order in which they began. */
function errors(command: readonly string[], options: readonly string[]): Record<string, number>[] {
  const { status, profile } = traceCommand(command, ['-q', ...options]);
  expect(status).toBe(0);
  expect(profile.runs[0]).toMatchObject({ complete: true, lost: 0 });
  return profile.processes.map(errorsOf);
}

describe('errors of calls that eBPF counts', () => {
  it.each([
    ['x86_64', () => native],
    ['i386', () => i386],
  ])('are those that a program of %s gets', (arch, program) => {
    const [parent, child] = errors([program()], ['--method', 'ebpf', '--errors']);
    expect(parent).toMatchObject({
      [`${arch}:close EBADF`]: 800,
      [`${arch}:chdir ENOENT`]: 800,
      [`${arch}:kill EINVAL`]: 1,
      [`${arch}:epoll_wait EINTR`]: 1,
    });
    expect(child).toEqual({
      [`${arch}:close EBADF`]: 7,
      [`${arch}:execve ENOENT`]: 3,
      [`${arch}:1000000 ENOSYS`]: 1,
      [`${arch}:4294967294 ENOSYS`]: 1,
    });
  });

  it.each([
    ['x86_64', () => native],
    ['i386', () => i386],
  ])('are those that ptrace sees, for %s', (_, program) => {
    expect(errors([program()], ['--method', 'ebpf', '--errors'])).toEqual(
      errors([program()], ['--method', 'ptrace']),
    );
  });

  it('are as many as strace counts', () => {
    using directory = temporaryDirectory();
    const log = `${directory.path}/log`;
    run('strace', ['-f', '-c', '-o', log, native]);
    // Time, seconds, microseconds, calls, errors, name: calls without errors have no number there.
    const rows = readFileSync(log, 'utf8').matchAll(
      /^ *[0-9.]+ +[0-9.]+ +[0-9]+ +[0-9]+ +([0-9]+) +(\w+)$/gm,
    );
    const counted = Object.fromEntries(
      [...rows].filter(([, , name]) => name !== 'total').map(([, count, name]) => [name, Number(count)]),
    );
    const seen: Record<string, number> = {};
    for (const process of errors([native], ['--method', 'ebpf', '--errors'])) {
      for (const [key, count] of Object.entries(process)) {
        const name = /^x86_64:(\w+) /.exec(key)?.[1] ?? key;
        seen[name] = (seen[name] ?? 0) + count;
      }
    }
    for (const name of ['close', 'chdir', 'execve', 'kill', 'epoll_wait'])
      expect([name, seen[name]]).toEqual([name, counted[name]]);
  });

  it('are chosen where they are asked for, and nowhere else', () => {
    const asked = traceCommand(['cat', '/no/such/file'], ['--errors']);
    expect(asked.stderr).toContain('tracing by ebpf');
    expect(asked.profile.processes.map(errorsOf)[0]).toHaveProperty('x86_64:openat ENOENT');
    const plain = traceCommand(['cat', '/no/such/file'], ['--method', 'ebpf']);
    expect(plain.profile.processes.map(errorsOf)).toEqual([{}]);
  });

  it.each(['seccomp', 'adaptive'])('are not to be had from --method %s', (method) => {
    const { status, stderr } = callgate(['trace', '--method', method, '--errors', '--', 'true']);
    expect(status).toBe(2);
    expect(stderr).toBe(
      `callgate: trace: --method ${method} does not see how calls end, so --errors needs --method ebpf or ptrace\n`,
    );
  });

  it('are sought with ptrace where eBPF cannot be used', () => {
    const command = ['trace', '--errors', '-o', '/dev/null', '--', 'true'];
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all'];
    const { stderr } = run('setpriv', [
      ...nobody,
      new URL('../../bin/callgate', import.meta.url).pathname,
      ...command,
    ]);
    expect(stderr).toContain('tracing by ptrace, for eBPF cannot be used');
  });

  it('are none of calls that a filter of the program denies, which are not seen there', () => {
    const program = compile(`
      #include <linux/filter.h>
      #include <linux/seccomp.h>
      #include <sys/prctl.h>
      #include <sys/syscall.h>
      #include <unistd.h>
      int main(void) {
        chdir("/no/such/place");
        chdir("/");
        struct sock_filter filter[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_chdir, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, filter};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
        for (int n = 0; n < 5; n++) chdir("/");
        return 0;
      }`);
    const chdir = (options: readonly string[]): unknown => {
      const { profile } = traceCommand([program], ['-q', ...options]);
      const call = profile.processes[0]?.calls.find(({ name }) => name === 'chdir');
      return [call?.count, call?.errnos];
    };
    expect(chdir(['--method', 'ebpf', '--errors'])).toEqual([2, { ENOENT: 1 }]);
    expect(chdir(['--method', 'ptrace'])).toEqual([7, { ENOENT: 1, EPERM: 5 }]);
  });

  it('are also those of the call in which a process sits when it is attached to', async () => {
    const program = compile(`
      #include <stdio.h>
      #include <sys/socket.h>
      #include <sys/time.h>
      int main(void) {
        int ends[2];
        char byte;
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        struct timeval wait = {1, 500000};
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        puts("began");
        fflush(stdout);
        for (int n = 0; n < 2; n++) recv(ends[0], &byte, 1, 0);
        return 0;
      }`);
    using directory = temporaryDirectory();
    for (const method of [['ebpf', '--errors'], ['ptrace']]) {
      const file = `${directory.path}/profile`;
      const running = start([], program);
      await running.waitFor('began');
      const { status } = callgate([
        'trace',
        '-q',
        '--pid',
        `${running.pid}`,
        '-o',
        file,
        '--method',
        ...method,
      ]);
      expect(status).toBe(0);
      const [process] = readProfile(file).processes;
      expect([method, process?.calls.find(({ name }) => name === 'recvfrom')]).toMatchObject([
        method,
        { count: 2, errnos: { EAGAIN: 2 } },
      ]);
      await running.end;
    }
  });
});
