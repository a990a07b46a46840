import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { syscallNumber } from '../../src/abi/syscalls.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy, PolicyArgument } from '../../src/policy/model.ts';
import { CALLGATE, callgate, run, start, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import {
  allBut,
  phase,
  policy,
  statusField,
  twoPhases,
  until,
  withI386,
  writePolicy,
} from './fixtures/policies.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
let probe: string;
/** The same program in several builds, by build-id. */
const builds: Record<string, string> = {};

function isRunning(pid: string, program: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${program}\0`);
  } catch {
    return false;
  }
}

beforeAll(() => {
  process.env['XDG_RUNTIME_DIR'] = directory.path;
  chmodSync(directory.path, 0o755);
  const source = readFileSync(new URL('./fixtures/probe.c', import.meta.url), 'utf8');
  // With exported symbols, so that its functions have names in a backtrace.
  probe = compile(source, ['-pthread', '-rdynamic']);
  for (const buildId of ['aaaa', 'bbbb', 'cccc']) {
    builds[buildId] = compile(source, ['-pthread', `-Wl,--build-id=0x${buildId}`]);
  }
});

afterAll(() => directory[Symbol.dispose]());

/** Programs that outlive callgate, or would do so after a failed test. */
const programs: number[] = [];

afterEach(() => {
  for (const pid of programs.splice(0)) if (isProbe(pid)) process.kill(pid, 'SIGKILL');
});

/** Whether the process is there still, and is no other by now. */
function isProbe(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === probe;
  } catch {
    return false;
  }
}

let files = 0;

/** A path that is not used yet. */
function newPath(name = 'file'): string {
  return join(directory.path, `${name}-${files++}`);
}

function nr(name: string): number {
  return syscallNumber('x86_64', name) as number;
}

/** Runs the probe under a policy. */
function runProbe(document: Policy, words: readonly string[], options: readonly string[] = []): Finished {
  const file = writePolicy(directory.path, document);
  return callgate(['run', '--policy', file, ...options, '--', probe, ...words]);
}

/** What is left of stdout, by lines. */
function lines({ stdout }: Finished): string[] {
  return stdout.split('\n').filter((line) => line !== '');
}

/** A policy of one phase that denies some calls. */
function denying(names: readonly string[], more: Partial<Policy> = {}): Policy {
  return policy([phase('all', null, names)], more);
}

const NO_MKDIR: readonly string[] = ['mkdir', 'mkdirat'];

describe('callgate run with a policy of one phase', () => {
  it('lets through what the policy allows', () => {
    const path = newPath();
    const result = runProbe(denying(['getppid']), [`mkdir=${path}`, 'exit=3']);
    expect([lines(result), result.stderr, result.status]).toEqual([['mkdir done'], '', 3]);
    expect(existsSync(path)).toBe(true);
  });

  it('denies the rest with EPERM unless the policy says otherwise', () => {
    const path = newPath();
    expect(lines(runProbe(denying(NO_MKDIR), [`mkdir=${path}`]))).toEqual(['mkdir Operation not permitted']);
    expect(existsSync(path)).toBe(false);
  });

  it('denies with the error that the policy names', () => {
    const result = runProbe(denying(NO_MKDIR, { onViolation: 'errno:ENOSPC' }), [`mkdir=${newPath()}`]);
    expect(lines(result)).toEqual(['mkdir No space left on device']);
  });

  it('kills the whole process where the policy says kill', () => {
    const result = runProbe(denying(NO_MKDIR, { onViolation: 'kill' }), [
      'bystander',
      `mkdir=${newPath()}`,
      'say=on',
    ]);
    expect([result.signal, result.stdout]).toEqual(['SIGSYS', '']);
  });

  it('sends SIGSYS where the policy says trap, and the program may handle it', () => {
    const result = runProbe(denying(NO_MKDIR, { onViolation: 'trap' }), [
      'handle',
      `mkdir=${newPath()}`,
      'say=on',
    ]);
    expect(lines(result)[0]).toBe(`SIGSYS for ${nr('mkdir')}`);
    expect(lines(result)).toContain('on');
    expect(result.status).toBe(0);
  });

  it('has calls that are newer than the policy fail with ENOSYS', () => {
    // As a policy of years ago would have it: the call exists by now, and the policy says nothing of it.
    const [call] = allBut().filter(({ name }) => name === 'faccessat2');
    const old = denying(['faccessat2'], { arches: [{ arch: 'x86_64', newest: (call?.nr ?? 0) - 1 }] });
    expect(lines(runProbe(old, [`${call?.nr}`, '9999']))).toEqual([`${call?.nr}=-38`, '9999=-38']);
  });

  it('has calls fail with ENOSYS that the policy lists so', () => {
    const clone3 = allBut().filter(({ name }) => name === 'clone3');
    const result = runProbe(denying(['clone3'], { enosys: clone3 }), [
      `${nr('clone3')}:0,0`,
      'thread',
      'say=threads work',
    ]);
    expect(lines(result)).toEqual([`${nr('clone3')}=-38`, 'threads work']);
  });

  it('kills a 64-bit program for a call of i386', () => {
    const result = runProbe(denying([]), ['say=before', 'int80=20', 'say=after']);
    expect([result.signal, lines(result)]).toEqual(['SIGSYS', ['before']]);
    expect(result.stderr).toContain('killed for i386 getpid in phase all');
  });

  it('lets a 64-bit program make calls of i386 where the policy has that arch', () => {
    const result = runProbe(withI386(denying([])), ['int80=24']);
    expect(lines(result)).toEqual(['i386 24=0']);
  });

  it('looks at arguments where the policy has rules for them', () => {
    const option = (values: readonly bigint[]): PolicyArgument => ({
      index: 0,
      name: 'option',
      width: 32,
      values,
      free: 0n,
    });
    const calls = allBut().map((call) =>
      call.name === 'prctl' ? { ...call, args: [option([3n, 39n])] } : call,
    );
    const result = runProbe(policy([{ ...phase('all', null), calls }]), [
      `${nr('prctl')}:3`, // PR_GET_DUMPABLE
      `${nr('prctl')}:39`, // PR_GET_NO_NEW_PRIVS
      `${nr('prctl')}:7`, // PR_GET_KEEPCAPS
      // The kernel takes an int: what is in the upper half does not help.
      `${nr('prctl')}:0x100000003`,
    ]);
    const prctl = nr('prctl');
    expect(lines(result)).toEqual([`${prctl}=1`, `${prctl}=1`, `${prctl}=-1`, `${prctl}=1`]);
  });

  it('holds children and what they execute to the same', () => {
    const words = ['fork', `exec=${probe}`, `mkdir=${newPath()}`, 'thread', `mkdir=${newPath()}`];
    const denied = 'mkdir Operation not permitted';
    expect(lines(runProbe(denying(NO_MKDIR), words))).toEqual([denied, denied]);
  });

  it('gives no privileges at the exec of a setuid file', () => {
    const setuid = newPath('setuid');
    copyFileSync(probe, setuid);
    chownSync(setuid, 65534, 65534);
    chmodSync(setuid, 0o4755);
    // Without a policy it does become that user: the file system allows it.
    expect(run(setuid, ['euid']).stdout).toBe('euid 65534\n');
    const file = writePolicy(directory.path, denying([]));
    const { stdout, status } = callgate(['run', '--policy', file, '--', setuid, 'euid', 'status']);
    expect([status, stdout]).toEqual([0, 'euid 0\nfilters 1 tracer yes no_new_privs 1\n']);
  });

  it.each([0, 1, 77, 255])('ends with exit code %i as the program does', (code) => {
    expect(runProbe(denying([]), [`exit=${code}`]).status).toBe(code);
  });

  it.each([
    ['SIGTERM', 15],
    ['SIGKILL', 9],
    ['SIGSEGV', 11],
  ])('ends by %s as the program does', (name, number) => {
    const result = runProbe(denying([]), [`raise=${number}`]);
    expect([result.signal, result.stderr]).toEqual([name, '']);
  });

  it('is ended by SIGINT, which the program gets', async () => {
    const file = writePolicy(directory.path, denying([]));
    const running = start(['run', '--policy', file, '--', probe, 'say=up', 'pause']);
    await running.waitFor('up');
    running.kill('SIGINT');
    expect((await running.end).signal).toBe('SIGINT');
  });

  it('hands a signal to what the program has left behind, though that was let go of', async () => {
    const source = readFileSync(new URL('fixtures/family.c', import.meta.url), 'utf8');
    const family = compile(source, ['-pthread']);
    const file = writePolicy(directory.path, twoPhases('syscall:getppid'));
    const running = start(['run', '--policy', file, '--', family, 'left-behind']);
    await running.waitFor('held to');
    const ofProgram = (): string[] => readdirSync('/proc').filter((pid) => isRunning(pid, family));
    await until('the program to end', () => ofProgram().length === 1);
    running.kill('SIGTERM');
    expect((await running.end).status).toBe(4);
    expect(ofProgram()).toEqual([]);
  });

  it('makes a policy of a profile by itself', () => {
    const profile = newPath('profile.json');
    expect(callgate(['trace', '-q', '-o', profile, '--', probe, 'euid']).status).toBe(0);
    const command = ['run', '--profile', profile, '--', probe];
    expect(callgate([...command, 'euid'])).toMatchObject({ status: 0, stdout: 'euid 0\n', stderr: '' });
    expect(callgate([...command, `mkdir=${newPath()}`]).stdout).toBe('mkdir Operation not permitted\n');
    const cut = newPath('cut.json');
    const text = readFileSync(profile, 'utf8').replace(
      '"incomplete": []',
      '"incomplete": ["it was cut off"]',
    );
    writeFileSync(cut, text.replace('"complete": true', '"complete": false'));
    expect(callgate(['run', '--profile', cut, '--', probe, 'euid']).stderr).toBe(
      'callgate: note: not complete: it was cut off\n',
    );
  });
});

describe('a trace and an analysis of one program', () => {
  it('read by different links make one set, which allows what the code can do', () => {
    const program = compile(
      '#include <unistd.h>\nint main(int argc, char **argv) { return argc > 1 && chdir(argv[1]) ? 1 : 0; }\n',
    );
    const link = newPath('link');
    symlinkSync(program, link);
    const [trace, code, file] = [newPath('trace'), newPath('code'), newPath('policy')];
    expect(callgate(['trace', '-q', '-o', trace, '--', '/bin/sh', '-c', `${link}; true`]).status).toBe(0);
    expect(callgate(['analyze', '-q', '-o', code, link]).status).toBe(0);
    const made = callgate(['policy', '--strict', 'sound', '--unresolved', 'accept', '-o', file, trace, code]);
    expect(made.status).toBe(0);
    const { phases } = parsePolicy(readFileSync(file, 'utf8'));
    expect(phases[0]?.programs.map(({ path }) => path)).toContain(program);
    const { status, stderr } = callgate([
      'run',
      '-q',
      '--policy',
      file,
      '--',
      '/bin/sh',
      '-c',
      `${link} /; exit $?`,
    ]);
    expect([status, stderr]).toEqual([0, '']);
  }, 60_000);
});

describe('a program whose threads end as soon as they are made', () => {
  it('comes to its end, although the filter lets the calls that make them pass unseen', () => {
    const database = newPath('threads.db');
    const profile = newPath('threads.json');
    const file = newPath('threads.yaml');
    const fill =
      'CREATE TABLE t(a, b); WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 60000) INSERT INTO t SELECT abs(random()), hex(randomblob(20)) FROM s';
    const sort =
      'PRAGMA threads = 3; PRAGMA cache_size = 5; DROP INDEX IF EXISTS i; CREATE INDEX i ON t(a, b); SELECT count(*) FROM (SELECT * FROM t ORDER BY b)';
    expect(run('sqlite3', [database, fill]).status).toBe(0);
    const command = ['sqlite3', database, sort];
    expect(callgate(['trace', '-q', '--phases', 'none', '-o', profile, '--', ...command]).status).toBe(0);
    expect(callgate(['policy', profile, '-o', file]).status).toBe(0);
    for (let attempt = 0; attempt < 8; attempt++) {
      const { status, stdout } = callgate(['run', '-q', '--policy', file, '--', ...command], {
        timeout: 20_000,
      });
      expect([status, stdout]).toEqual([0, '3\n60000\n']);
    }
  });
});

describe('a kill by the filter', () => {
  const killed = (words: readonly string[]): Finished =>
    runProbe(denying(NO_MKDIR, { onViolation: 'kill' }), words);

  it('is explained by the call, the process, the phase and the code', () => {
    const { stderr, signal } = killed([`mkdir=${newPath()}`]);
    expect(signal).toBe('SIGSYS');
    const [first, second] = stderr.split('\n');
    expect(first).toMatch(
      /^callgate: .*\/program \(pid [0-9]+\) killed for mkdir in phase all, from .*mkdir.*libc/,
    );
    expect(first).toContain(probe);
    expect(second).toMatch(
      /^callgate: to allow it, add it to phase all of .*policy-[0-9]+\.yaml, or run with --learn$/,
    );
  });

  it('names the functions that led to the call', () => {
    const { stderr } = runProbe(denying(['getppid'], { onViolation: 'kill' }), [`${nr('getppid')}`]);
    expect(stderr).toMatch(
      /killed for getppid in phase all, from syscall\+0x[0-9a-f]+ \(.*libc.*\) < .*program/,
    );
  });

  it('is told once, whatever the other threads of the process were doing', () => {
    const { stderr } = killed(['bystander', 'bystander', 'thread', `mkdir=${newPath()}`]);
    expect(stderr.match(/killed for/g)).toHaveLength(1);
    expect(stderr).toMatch(/\(pid [0-9]+, thread [0-9]+\) killed for mkdir/);
  });

  it('of a child is explained too, and the program goes on', () => {
    const { stderr, stdout, status } = killed(['fork', `mkdir=${newPath()}`]);
    expect([stdout, status]).toEqual(['child killed by 31\n', 0]);
    expect(stderr).toContain('killed for mkdir in phase all');
  });

  it('is not made up for a program that dies of SIGSYS by itself', () => {
    const { stderr, signal } = killed(['bystander', 'raise=31']);
    expect([signal, stderr]).toEqual(['SIGSYS', '']);
    const waiting = runProbe(twoPhases('key'), ['raise=31']);
    expect(waiting.signal).toBe('SIGSYS');
    expect(waiting.stderr).not.toContain('let go of');
  });

  it('shows the values of arguments that select what a call does', () => {
    const { stderr } = runProbe(denying(['socket'], { onViolation: 'kill' }), [`${nr('socket')}:16,3,0`]);
    expect(stderr).toMatch(/killed for socket\(domain AF_NETLINK, type SOCK_RAW, protocol .*\) in phase all/);
  });

  it('after the last transition is said to be one, although nobody saw it', () => {
    const document = { ...twoPhases('after:200ms'), onViolation: 'kill' };
    const { stderr, signal } = runProbe(document, ['sleep=600', `mkdir=${newPath()}`]);
    expect(signal).toBe('SIGSYS');
    expect(stderr).toMatch(/was killed by SIGSYS after it had been let go of.*--audit/);
  });
});

describe('callgate run with two phases', () => {
  it('denies in the second phase what it allowed in the first', () => {
    const [before, after] = [newPath(), newPath()];
    const result = runProbe(twoPhases('syscall:getppid'), [
      `mkdir=${before}`,
      `${nr('getppid')}`,
      `mkdir=${after}`,
      'status',
    ]);
    expect(lines(result).filter((line) => !line.startsWith('110='))).toEqual([
      'mkdir done',
      'mkdir Operation not permitted',
      'filters 2 tracer no no_new_privs 1',
    ]);
    expect([existsSync(before), existsSync(after)]).toEqual([true, false]);
  });

  it('says which process is held to how many calls', () => {
    const document = twoPhases('syscall:getppid');
    const { stderr } = runProbe(document, [`${nr('getppid')}`]);
    const count = document.phases[1]?.calls.length;
    expect(stderr).toMatch(new RegExp(`^callgate: phase main: pid [0-9]+ is held to ${count} calls now\n$`));
  });

  it('says nothing of it with --quiet', () => {
    expect(runProbe(twoPhases('syscall:getppid'), [`${nr('getppid')}`], ['--quiet']).stderr).toBe('');
  });

  it('switches the process that hits the trigger and no other', () => {
    const result = runProbe(twoPhases('syscall:getpgrp'), ['fork', `${nr('getpgrp')}`, 'status']);
    expect(lines(result)).toContain('filters 2 tracer no no_new_privs 1');
    const parent = runProbe(twoPhases('syscall:getpgrp'), ['fork', 'status']);
    expect(lines(parent)).toEqual(['filters 1 tracer yes no_new_privs 1']);
  });

  it('gives three phases a filter each', () => {
    const document = policy([
      phase('first', null),
      phase('second', 'syscall:getpgrp', ['rmdir']),
      phase('third', 'syscall:getppid', ['rmdir', ...NO_MKDIR]),
    ]);
    const path = newPath();
    const rmdir = nr('rmdir');
    const result = runProbe(document, [
      `${rmdir}:0`,
      `${nr('getpgrp')}`,
      `${rmdir}:0`,
      `mkdir=${path}`,
      'status',
      `${nr('getppid')}`,
      `mkdir=${path}`,
      'status',
    ]);
    expect(lines(result).filter((line) => !/^1[0-9]{2}=/.test(line))).toEqual([
      `${rmdir}=-14`,
      `${rmdir}=-1`,
      'mkdir done',
      'filters 2 tracer yes no_new_privs 1',
      'mkdir Operation not permitted',
      'filters 3 tracer no no_new_privs 1',
    ]);
  });

  it('says at once that the program has no object of the name that a transition waits for', () => {
    const { stderr, status } = runProbe(twoPhases('symbol:libnone.so.1:serve'), ['status', 'exit=4']);
    expect(stderr).toMatch(
      /^callgate: phase main waits for symbol:libnone\.so\.1:serve, and the program has no object of that name yet \(it has program, libc\.so\.6, ld-linux-x86-64\.so\.2\)\n/,
    );
    expect(stderr).toContain('warning: phase main never began: symbol:libnone.so.1:serve did not fire\n');
    expect(status).toBe(4);
  });

  it('says at once that the program has no function of the name that a transition waits for', () => {
    const { stderr } = runProbe(twoPhases('symbol:libc.so.6:no_such_function'), ['status']);
    expect(stderr).toMatch(
      /^callgate: phase main waits for symbol:libc\.so\.6:no_such_function, and the program has no such function yet \(looked in libc\.so\.6\): /,
    );
  });

  it('says that a transition never came', () => {
    const { stderr, status } = runProbe(twoPhases('syscall:acct'), ['status', 'exit=4']);
    expect(stderr).toBe('callgate: warning: phase main never began: syscall:acct did not fire\n');
    expect(status).toBe(4);
  });

  it('kills the program if the supervisor is killed before the transition', async () => {
    const { running, pid } = await background(twoPhases('syscall:acct'), ['say=up', 'pause']);
    running.kill('SIGKILL');
    await until('the end of the program', () => ['', 'Z (zombie)'].includes(statusField(pid, 'State')));
  });

  it('leaves the program filtered if the supervisor is killed after it', async () => {
    const [go, path] = [newPath(), newPath()];
    const out = newPath();
    const { running, pid } = await background(twoPhases('syscall:getppid'), [
      'say=up',
      `${nr('getppid')}`,
      `await=${go}`,
      `mkdir=${path}`,
      `touch=${out}`,
      'pause',
    ]);
    await until(
      'the release',
      () => statusField(pid, 'TracerPid') === '0' && statusField(pid, 'Seccomp_filters') === '2',
    );
    running.kill('SIGKILL');
    await until('the end of the supervisor', () =>
      ['', 'Z (zombie)'].includes(statusField(running.pid, 'State')),
    );
    writeFileSync(go, '');
    await until('the program to go on', () => existsSync(out));
    expect(existsSync(path)).toBe(false);
  });

  it('ends as the program does although that was let go of', () => {
    const words = [`${nr('getppid')}`, 'sleep=100'];
    expect(runProbe(twoPhases('syscall:getppid'), [...words, 'exit=9']).status).toBe(9);
    expect(runProbe(twoPhases('syscall:getppid'), [...words, 'raise=15']).signal).toBe('SIGTERM');
  });

  it('passes SIGINT on to a program that was let go of', async () => {
    const { running, pid } = await background(twoPhases('syscall:getppid'), [
      'say=up',
      `${nr('getppid')}`,
      'pause',
    ]);
    await until('the release', () => statusField(pid, 'TracerPid') === '0');
    running.kill('SIGINT');
    expect((await running.end).signal).toBe('SIGINT');
  });
});

describe('a child that asks not to be traced', () => {
  /** Whether the child was refused, or made and held to what its parent is held to: either way it has not made the directory. */
  function escaped(document: Policy, words: readonly string[], path: string): boolean {
    const result = runProbe(document, words);
    const [first = ''] = lines(result);
    expect(first).toMatch(/^(untraced3? Function not implemented|mkdir Operation not permitted)$/);
    return existsSync(path);
  }

  it.each(['untraced', 'untraced3'])(
    'does not get round a later phase that comes without stops, by %s',
    (word) => {
      const path = newPath();
      const words = [word, 'sleep=600', `mkdir=${path}`];
      expect(escaped(twoPhases('after:200ms'), words, path)).toBe(false);
    },
  );

  it.each(['untraced', 'untraced3'])('does not get round the set of what it executes, by %s', (word) => {
    const [tool, path] = [newPath('tool'), newPath()];
    copyFileSync(probe, tool);
    const own = { path: tool, buildId: null, calls: allBut(NO_MKDIR) };
    const words = [word, `exec=${tool}`, `mkdir=${path}`];
    expect(escaped(policy([phase('all', null, [], { programs: [own] })]), words, path)).toBe(false);
  });

  it('may be made where nobody is to follow it, and is under the same filter', () => {
    const path = newPath();
    expect(lines(runProbe(denying(NO_MKDIR), ['untraced', 'status', `mkdir=${path}`]))).toEqual([
      'filters 1 tracer no no_new_privs 1',
      'mkdir Operation not permitted',
    ]);
  });

  it.each(['untraced', 'untraced3'])('is seen by an audit where its making is denied, by %s', (word) => {
    const denied = [...NO_MKDIR, 'clone', 'clone3'];
    const { stdout, stderr } = runProbe(denying(denied), [word, 'status', `mkdir=${newPath()}`], ['--audit']);
    expect(stdout).toBe('filters 1 tracer yes no_new_privs 1\nmkdir done\n');
    expect(stderr).toContain('would be denied mkdir');
  });

  it.each(['untraced', 'untraced3'])(
    'is not made under an audit where its making is allowed, by %s',
    (word) => {
      const { stdout } = runProbe(denying(NO_MKDIR), [word, 'status', `mkdir=${newPath()}`], ['--audit']);
      expect(stdout).toBe(`${word} Function not implemented\n`);
    },
  );

  it('keeps no program from its threads, although clone3 fails', () => {
    const document = policy([
      phase('setup', null, ['clone']),
      phase('main', 'after:200ms', [...NO_MKDIR, 'clone']),
    ]);
    const words = ['thread', 'sleep=600', 'thread', 'say=threads work'];
    const result = runProbe(document, words);
    expect([lines(result), result.status]).toEqual([['threads work'], 0]);
  });
});

describe('the helper that wakes the supervisor', () => {
  /** A child of callgate that has nothing but its name for a command line; there may be none for a moment. */
  function helper(parent: number): number | undefined {
    return childrenOf(parent).find((pid) => commandLine(pid) === 'callgate\0');
  }

  it.each(['after:700ms', 'key'])(
    'can be killed, and the phase comes nevertheless, by %s',
    async (trigger) => {
      const [go, path] = [newPath(), newPath()];
      const words = ['say=up', `await=${go}`, `mkdir=${path}`];
      const { running, pid } = await background(twoPhases(trigger), words);
      for (let time = 0; time < 3; time++) {
        const old = helper(running.pid) as number;
        process.kill(old, 'SIGKILL');
        await until('another helper', () => ![undefined, old].includes(helper(running.pid)));
      }
      if (trigger === 'key') callgate(['phase', '--trace', `${running.pid}`, 'main']);
      await until('the second phase', () => statusField(pid, 'Seccomp_filters') === '2');
      writeFileSync(go, '');
      expect(lines(await running.end)).toEqual(['up', 'mkdir Operation not permitted']);
    },
  );
});

describe('callgate run --exec', () => {
  it('says why the kernel does not execute the program, and ends as a shell would', () => {
    const program = newPath();
    writeFileSync(program, 'exit 3\n', { mode: 0o755 });
    const file = writePolicy(directory.path, denying([]));
    expect(callgate(['run', '--exec', '--policy', file, '--', program])).toMatchObject({
      status: 126,
      stderr: `callgate: run: cannot execute ${program}: ENOEXEC\n`,
    });
  });

  it('becomes the program: same pid, same parent, one filter and no tracer', async () => {
    const file = writePolicy(directory.path, denying(NO_MKDIR));
    const running = start([
      'run',
      '--exec',
      '--policy',
      file,
      '--',
      probe,
      'pids',
      'status',
      `mkdir=${newPath()}`,
      'exit=6',
    ]);
    const result = await running.end;
    expect(lines(result)).toEqual([
      `pid ${running.pid} parent ${process.pid}`,
      'filters 1 tracer no no_new_privs 1',
      'mkdir Operation not permitted',
    ]);
    expect([result.status, result.stderr]).toEqual([6, '']);
  });

  it('leaves no descriptor of its own open', () => {
    const file = writePolicy(directory.path, denying([]));
    const list = callgate(['run', '--exec', '--policy', file, '--', '/bin/ls', '/proc/self/fd']);
    expect(list.stdout).toBe(run('/bin/ls', ['/proc/self/fd']).stdout);
  });

  it('refuses a policy of two phases', () => {
    const mark = newPath();
    const result = runProbe(twoPhases('syscall:getppid'), [`touch=${mark}`], ['--exec']);
    expect([result.status, result.stderr]).toEqual([
      2,
      'callgate: run: --exec is for policies of one phase without sets for single programs\n',
    ]);
    expect(existsSync(mark)).toBe(false);
  });

  it('refuses to audit and to report', () => {
    for (const option of ['--audit', '--learn', '--report=/dev/null']) {
      const result = runProbe(denying([]), ['say=ran'], ['--exec', option]);
      expect([result.status, result.stdout]).toEqual([2, '']);
      expect(result.stderr).toMatch(/^callgate: run: --exec leaves nothing that could audit or report\n$/);
    }
  });
});

describe('callgate run --audit', () => {
  const audit = (
    document: Policy,
    words: readonly string[],
  ): Finished & { report: Record<string, unknown>[] } => {
    const report = newPath('report');
    const result = runProbe(document, words, ['--audit', '--report', report]);
    const text = readFileSync(report, 'utf8');
    return {
      ...result,
      report: text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    };
  };

  it('blocks nothing and records every call outside of the policy', () => {
    const [one, two] = [newPath(), newPath()];
    const { report, status, ...result } = audit(denying(NO_MKDIR, { onViolation: 'kill' }), [
      `mkdir=${one}`,
      'fork',
      `mkdir=${two}`,
    ]);
    expect(lines(result as Finished)).toEqual(['mkdir done', 'mkdir done']);
    expect(status).toBe(1);
    expect(report).toHaveLength(2);
    for (const line of report) {
      expect(line).toMatchObject({
        program: probe,
        phase: 0,
        arch: 'x86_64',
        nr: nr('mkdir'),
        outcome: 'allowed',
      });
      expect((line['args'] as string[])[1]).toBe('0x1c0');
      expect((line['backtrace'] as string[])[0]).toMatch(/^mkdir\+0x[0-9a-f]+ \(.*libc/);
      expect((line['backtrace'] as string[]).join(' ')).toContain(probe);
      expect(line['at']).toBeGreaterThan(0);
    }
    expect(report[0]?.['pid']).not.toBe(report[1]?.['pid']);
  });

  it('is not needed for a report: a kill is in it too', () => {
    const report = newPath('report');
    const document = denying(NO_MKDIR, { onViolation: 'kill' });
    const result = runProbe(document, [`mkdir=${newPath()}`], ['--report', report]);
    expect(result.signal).toBe('SIGSYS');
    const line = JSON.parse(readFileSync(report, 'utf8')) as object;
    expect(line).toMatchObject({ program: probe, arch: 'x86_64', nr: nr('mkdir'), outcome: 'killed' });
  });

  it('reports while the program runs, not only at its end', async () => {
    const report = newPath('report');
    const file = writePolicy(directory.path, denying(NO_MKDIR));
    const words = [`mkdir=${newPath()}`, 'pause'];
    const running = start(['run', '--policy', file, '--audit', '--report', report, '--', probe, ...words]);
    try {
      await until('a line', () => existsSync(report) && readFileSync(report, 'utf8').endsWith('\n'));
      expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ nr: nr('mkdir') });
    } finally {
      running.kill('SIGTERM');
      await running.end;
    }
  });

  it('leaves an older report as it was if the program cannot be started', () => {
    const report = newPath('report');
    writeFileSync(report, 'old\n');
    const file = writePolicy(directory.path, denying([]));
    callgate(['run', '--policy', file, '--report', report, '--', '/proc/nowhere/program']);
    expect(readFileSync(report, 'utf8')).toBe('old\n');
  });

  it('sums up at the end, a line for each call', () => {
    const { stderr } = audit(denying([...NO_MKDIR, 'getpgrp']), [
      `mkdir=${newPath()}`,
      `mkdir=${newPath()}`,
      `${nr('getpgrp')}`,
    ]);
    expect(stderr).toMatch(/^callgate: audit: 2 calls outside of the policy, 3 times in all\n/);
    expect(stderr).toMatch(/^callgate: +2 x .* would be denied mkdir in phase all, from mkdir/m);
    expect(stderr).toMatch(/^callgate: +1 x .* would be denied getpgrp in phase all, from /m);
  });

  it('counts the execve by which the program is started', () => {
    const { report, status, stderr } = audit(denying(['execve']), ['exit=0']);
    expect(report).toMatchObject([{ phase: 0, arch: 'x86_64', nr: nr('execve'), outcome: 'allowed' }]);
    expect(stderr).toMatch(
      /^callgate: audit: 1 call outside of the policy, once in all\n.* would be denied execve/,
    );
    expect(status).toBe(1);
  });

  it('refuses a policy for another machine alone', () => {
    const calls = allBut([], 'aarch64');
    const document = policy([{ ...phase('all', null), calls }], {
      arches: [{ arch: 'aarch64', newest: 400 }],
    });
    for (const option of ['--audit', '--learn']) {
      const { status, stdout, stderr } = runProbe(document, ['status'], [option]);
      expect(stderr).toBe('callgate: policy: the policy is for aarch64, this machine is x86_64\n');
      expect([status, stdout]).toEqual([2, '']);
    }
  });

  it('says of no process that it is held to anything', () => {
    const { stderr } = audit(twoPhases('syscall:getppid'), [`${nr('getppid')}`]);
    expect(stderr).toMatch(
      /phase main: pid [0-9]+ would be held to [0-9]+ calls from now on \(nothing is denied\)\n/,
    );
  });

  it('ends as the program does if there was nothing', () => {
    const { status, stderr, report } = audit(denying(NO_MKDIR), ['exit=7']);
    expect([status, stderr, report]).toEqual([7, 'callgate: audit: no call outside of the policy\n', []]);
  });

  it('tells phases apart', () => {
    const { report, status } = audit(twoPhases('syscall:getppid'), [
      `mkdir=${newPath()}`,
      `${nr('getppid')}`,
      `mkdir=${newPath()}`,
    ]);
    expect(report.map((line) => [line['phase'], line['nr']])).toEqual([[1, nr('mkdir')]]);
    expect(status).toBe(1);
  });

  it('records what a newer number, another arch and a wrong argument would have met', () => {
    const calls = allBut().map((call) =>
      call.name === 'prctl'
        ? { ...call, args: [{ index: 0, name: 'option', width: 32 as const, values: [3n], free: 0n }] }
        : call,
    );
    const { report, ...result } = audit(policy([{ ...phase('all', null), calls }]), [
      '9999',
      'int80=24',
      `${nr('prctl')}:39`,
    ]);
    expect(lines(result as Finished)).toEqual(['9999=-38', 'i386 24=0', `${nr('prctl')}=1`]);
    expect(report.map((line) => [line['arch'], line['nr']])).toEqual([
      ['x86_64', 9999],
      ['i386', 24],
      ['x86_64', nr('prctl')],
    ]);
  });

  it('does not stop allowed calls once the last transition has come', () => {
    const result = audit(twoPhases('syscall:getpgrp'), ['loop=2000', `${nr('getpgrp')}`, 'loop=20000']);
    expect(lines(result).filter((line) => line.includes('stops'))).toEqual(['stops', 'no stops']);
  });

  it('follows the program to its end, so that the last phase is audited too', () => {
    const { report } = audit(twoPhases('after:100ms'), ['sleep=500', 'status', `mkdir=${newPath()}`]);
    expect(report.map((line) => line['phase'])).toEqual([1]);
  });
});

describe('callgate run --learn', () => {
  it('adds the execve by which the program is started, so that it can be started', () => {
    const file = writePolicy(directory.path, denying(['execve']));
    const words = ['--', probe, 'exit=3'];
    expect(callgate(['run', '--policy', file, '--learn', ...words]).status).toBe(1);
    expect(callgate(['run', '--policy', file, ...words])).toMatchObject({ status: 3, stderr: '' });
  });

  it.each(['yaml', 'json'] as const)(
    'adds what was missing to a %s policy, and then there is nothing left',
    (format) => {
      const file = writePolicy(directory.path, denying([...NO_MKDIR, 'getpgrp']), format);
      const learn = (): Finished =>
        callgate(['run', '--policy', file, '--learn', '--', probe, `mkdir=${newPath()}`, `${nr('getpgrp')}`]);
      const first = learn();
      expect(first.status).toBe(1);
      expect(first.stderr).toContain(
        `callgate: learned: ${file} has been extended; read it before you rely on it\n`,
      );
      const learned = parsePolicy(readFileSync(file, 'utf8'));
      for (const name of ['mkdir', 'getpgrp']) {
        const call = learned.phases[0]?.calls.find((each) => each.name === name);
        expect(call?.why).toEqual([
          expect.stringMatching(/^learned from an audit of .*program on [0-9]{4}-[0-9]{2}-[0-9]{2}$/),
        ]);
      }
      expect(learned.phases[0]?.calls.some(({ name }) => name === 'mkdirat')).toBe(false);
      const text = readFileSync(file, 'utf8');
      expect(text).toMatch(
        format === 'yaml' ? /- mkdir +# learned from/ : /"name": "mkdir", "why": \["learned from/,
      );
      const second = learn();
      expect([second.status, second.stderr]).toEqual([0, 'callgate: audit: no call outside of the policy\n']);
      expect(readFileSync(file, 'utf8')).toBe(text);
      const enforced = callgate(['run', '--policy', file, '--', probe, `mkdir=${newPath()}`]);
      expect(enforced.stdout).toBe('mkdir done\n');
    },
  );

  it('says so if an argument has more values than a policy may list', () => {
    const document = denying([]);
    const values = Array.from({ length: 256 }, (_, value) => BigInt(value + 1));
    const file = writePolicy(directory.path, {
      ...document,
      phases: document.phases.map((each) => ({
        ...each,
        calls: each.calls.map((call) =>
          call.name === 'getpgid'
            ? { ...call, args: [{ index: 0, name: null, width: 64 as const, values, free: 0n }] }
            : call,
        ),
      })),
    });
    const { stderr } = callgate(['run', '--policy', file, '--learn', '--', probe, `${nr('getpgid')}`]);
    expect(stderr).toContain('callgate: getpgid: more than 256 values, now with any arg0\n');
    expect(readFileSync(file, 'utf8')).toMatch(
      /- getpgid +# learned from .*; more than 256 values, now with any arg0$/m,
    );
  });

  it('finds a call after thousands of another one', () => {
    const file = writePolicy(directory.path, denying(['getppid', 'getpgrp']));
    const report = newPath('report');
    const words = ['loop=10500', `${nr('getpgrp')}`];
    const { stderr } = callgate([
      'run',
      '--policy',
      file,
      '--learn',
      '--report',
      report,
      '--',
      probe,
      ...words,
    ]);
    expect(stderr).toContain('callgate: audit: 2 calls outside of the policy, 10501 times in all\n');
    expect(stderr).toMatch(/^callgate: +10500 x .* would be denied getppid in phase all/m);
    expect(stderr).toMatch(/^callgate: +1 x .* would be denied getpgrp in phase all/m);
    const learned = parsePolicy(readFileSync(file, 'utf8')).phases[0]?.calls.map(({ name }) => name);
    expect(learned).toEqual(expect.arrayContaining(['getppid', 'getpgrp']));
    expect(readFileSync(report, 'utf8').trimEnd().split('\n')).toHaveLength(10_501);
  });

  it('adds an arch that the policy did not have', () => {
    const file = writePolicy(directory.path, denying([]));
    const learn = (): Finished => callgate(['run', '--policy', file, '--learn', '--', probe, 'int80=24']);
    expect(learn().stderr).toContain('has been extended');
    expect(learn().stderr).toBe('callgate: audit: no call outside of the policy\n');
    expect(callgate(['run', '--policy', file, '--', probe, 'int80=24']).stdout).toBe('i386 24=0\n');
  });

  it('leaves the policy as it is, and no other file, if there was nothing to learn', () => {
    const own = newPath('directory');
    mkdirSync(own);
    const file = writePolicy(own, denying(NO_MKDIR));
    const before = readFileSync(file, 'utf8');
    const result = callgate(['run', '--policy', file, '--learn', '--', probe, 'raise=15']);
    expect(result.signal).toBe('SIGTERM');
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect(readdirSync(own)).toEqual([basename(file)]);
  });

  it('keeps the comments that the policy had', () => {
    const file = writePolicy(directory.path, denying(NO_MKDIR));
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/- rmdir *$/m, '- rmdir # cleans up after itself'),
    );
    callgate(['run', '--policy', file, '--learn', '--', probe, `mkdir=${newPath()}`]);
    expect(readFileSync(file, 'utf8')).toMatch(/- rmdir +# cleans up after itself$/m);
  });

  it('adds a value to an argument rule', () => {
    const option: PolicyArgument = { index: 0, name: 'option', width: 32, values: [3n], free: 0n };
    const calls = allBut().map((call) => (call.name === 'prctl' ? { ...call, args: [option] } : call));
    const file = writePolicy(directory.path, policy([{ ...phase('all', null), calls }]));
    callgate(['run', '--policy', file, '--learn', '--', probe, `${nr('prctl')}:39`]);
    const prctl = parsePolicy(readFileSync(file, 'utf8')).phases[0]?.calls.find(
      ({ name }) => name === 'prctl',
    );
    expect(prctl?.args[0]?.values).toEqual([3n, 39n]);
  });
});

describe('each program of a tree', () => {
  /** Copies of the probe, so that they are programs of their own. */
  function tools(): { a: string; b: string } {
    const [a, b] = [newPath('tool-a'), newPath('tool-b')];
    for (const path of [a, b]) copyFileSync(probe, path);
    return { a, b };
  }

  function perProgram(a: string, b: string, more: Partial<Policy> = {}): Policy {
    const set = (path: string, denied: readonly string[]) => ({ path, buildId: null, calls: allBut(denied) });
    return policy([phase('all', null, [], { programs: [set(a, ['getpgrp']), set(b, ['getsid'])] })], more);
  }

  const [pgrp, sid] = [`${syscallNumber('x86_64', 'getpgrp')}`, `${syscallNumber('x86_64', 'getsid')}`];
  const allowed = (line: string): boolean => !line.endsWith('=-1');

  it('is held to its own set from its exec on', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const script = `${a} ${pgrp} ${sid} status; ${b} ${pgrp} ${sid} status; ${probe} ${pgrp} ${sid} status`;
    const { stdout, status, stderr } = callgate(['run', '--policy', file, '--', '/bin/sh', '-c', script]);
    const found = stdout.trim().split('\n');
    expect(found.filter((line) => line.includes('=')).map(allowed)).toEqual([
      false,
      true,
      true,
      false,
      true,
      true,
    ]);
    expect(found.filter((line) => line.startsWith('filters')).map((line) => line.slice(0, 9))).toEqual([
      'filters 2',
      'filters 2',
      'filters 1',
    ]);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      new RegExp(`phase all for ${a}: pid [0-9]+ is held to ${allBut(['getpgrp']).length} calls now`),
    );
  });

  it('hands its set on to what it executes, which may be held to more', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const { stdout } = callgate([
      'run',
      '-q',
      '--policy',
      file,
      '--',
      a,
      'fork',
      `exec=${b}`,
      pgrp,
      sid,
      `exec=${probe}`,
      pgrp,
      sid,
    ]);
    expect(stdout.trim().split('\n').map(allowed)).toEqual([false, false, false, false]);
  });

  it('gets each filter once, however often programs take turns', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const turns = Array.from({ length: 30 }, () => [`exec=${b}`, `exec=${probe}`, `exec=${a}`]).flat();
    const { stdout, stderr } = callgate([
      'run',
      '--policy',
      file,
      '--',
      a,
      ...turns,
      'fork',
      'status',
      pgrp,
      sid,
    ]);
    const [filters, ...calls] = stdout.trim().split('\n');
    expect([filters?.slice(0, 9), calls.map(allowed)]).toEqual(['filters 3', [false, false]]);
    expect(stderr.match(/is held to/g)).toHaveLength(2);
  });

  it('gets none for a set that allows what the tree may do', () => {
    const { a, b } = tools();
    const set = (path: string, denied: readonly string[]) => ({ path, buildId: null, calls: allBut(denied) });
    const own = [set(a, []), set(b, ['getsid'])];
    const file = writePolicy(directory.path, policy([phase('all', null, [], { programs: own })]));
    const words = ['status', `exec=${b}`, 'status', `exec=${a}`, 'status'];
    const { stdout } = callgate(['run', '-q', '--policy', file, '--', a, ...words]);
    expect(stdout.match(/filters [0-9]+/g)).toEqual(['filters 1', 'filters 2', 'filters 2']);
  });

  it('gets a filter of each phase, and none of an earlier one again', () => {
    const { a, b } = tools();
    const set = (path: string, denied: readonly string[]) => ({ path, buildId: null, calls: allBut(denied) });
    const phases = [
      phase('setup', null, [], { programs: [set(a, ['getpgrp'])] }),
      phase('main', 'syscall:getppid', ['rmdir'], { programs: [set(b, ['rmdir', 'getsid'])] }),
    ];
    const file = writePolicy(directory.path, policy(phases));
    const switched = [`${nr('getppid')}`, 'status'];
    const turns = [`exec=${b}`, 'status', `exec=${a}`, 'status', `exec=${b}`, pgrp, sid, 'status'];
    const { stdout } = callgate(['run', '-q', '--policy', file, '--', a, 'status', ...switched, ...turns]);
    expect(stdout.match(/filters [0-9]+/g)).toEqual([2, 3, 4, 4, 4].map((count) => `filters ${count}`));
  });

  it('is held to its set if it is the program that was started', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const { stdout } = callgate(['run', '-q', '--policy', file, '--', a, pgrp, sid]);
    expect(stdout.trim().split('\n').map(allowed)).toEqual([false, true]);
  });

  it.each([
    ['in this order', false],
    ['in the other', true],
  ])('is held to the set of its own build, whichever comes last: %s', (_, isReversed) => {
    const tool = newPath('tool');
    const sets = [
      { path: tool, buildId: 'aaaa', calls: allBut(['getpgrp']) },
      { path: tool, buildId: 'bbbb', calls: allBut(['getsid']) },
    ];
    const own = isReversed ? sets.toReversed() : sets;
    const file = writePolicy(directory.path, policy([phase('all', null, [], { programs: own })]));
    const found = ['aaaa', 'bbbb', 'cccc'].map((buildId) => {
      copyFileSync(builds[buildId] as string, tool);
      const script = `${tool} ${pgrp} ${sid}; true`;
      const { stdout, stderr } = callgate(['run', '-q', '--policy', file, '--', '/bin/sh', '-c', script]);
      return [stdout.trim().split('\n').map(allowed), stderr];
    });
    expect(found).toEqual([
      [[false, true], ''],
      [[true, false], ''],
      [
        [true, true],
        `callgate: warning: ${tool} is another build than the one that was traced, so it is held to the set of the tree alone (trace it again)\n`,
      ],
    ]);
  });

  it('is held to a set that is for any build, and of those for a build to the one that fits', () => {
    const tool = newPath('tool');
    const own = [
      { path: tool, buildId: null, calls: allBut(['getpgrp']) },
      { path: tool, buildId: 'bbbb', calls: allBut(['getsid']) },
    ];
    const file = writePolicy(directory.path, policy([phase('all', null, [], { programs: own })]));
    const found = ['aaaa', 'bbbb'].map((buildId) => {
      copyFileSync(builds[buildId] as string, tool);
      const { stdout } = callgate(['run', '-q', '--policy', file, '--', tool, pgrp, sid]);
      return stdout.trim().split('\n').map(allowed);
    });
    expect(found).toEqual([
      [false, true],
      [true, false],
    ]);
  });

  it('is named by an audit when it goes beyond its own set', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const report = newPath('report');
    const { status } = callgate([
      'run',
      '-q',
      '--policy',
      file,
      '--audit',
      '--report',
      report,
      '--',
      '/bin/sh',
      '-c',
      `${a} ${pgrp} ${sid}; ${b} ${pgrp} ${sid}`,
    ]);
    const found = readFileSync(report, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { program: string; nr: number });
    expect(found.map(({ program, nr: number }) => [program, `${number}`])).toEqual([
      [a, pgrp],
      [b, sid],
    ]);
    expect(status).toBe(1);
  });

  it('learns for every set that holds it, those of the programs that started it included', () => {
    const { a, b } = tools();
    const file = writePolicy(directory.path, perProgram(a, b));
    const learn = (): Finished =>
      callgate(['run', '-q', '--policy', file, '--learn', '--', a, `exec=${b}`, pgrp, sid]);
    expect(learn().status).toBe(1);
    expect(learn().stderr).toBe('callgate: audit: no call outside of the policy\n');
    const { stdout } = callgate(['run', '-q', '--policy', file, '--', a, `exec=${b}`, pgrp, sid]);
    expect(stdout.trim().split('\n').map(allowed)).toEqual([true, true]);
  });

  it('gets a set of its own from a profile of the whole tree, under which it runs', () => {
    const profile = newPath('profile.json');
    const command = ['/bin/sh', '-c', 'ls / >/dev/null; id -u; uname'];
    expect(callgate(['trace', '-q', '-o', profile, '--', ...command]).status).toBe(0);
    const file = newPath('policy.yaml');
    expect(callgate(['policy', profile, '-o', file]).status).toBe(0);
    const [first] = parsePolicy(readFileSync(file, 'utf8')).phases;
    const names = (path: string): (string | null)[] | undefined =>
      first?.programs.find((program) => program.path.endsWith(path))?.calls.map(({ name }) => name);
    expect(names('/ls')).toContain('getdents64');
    expect(names('/uname')).not.toContain('getdents64');
    const result = callgate(['run', '--policy', file, '--audit', '--', ...command]);
    expect(result.stderr).toContain('audit: no call outside of the policy');
    const enforced = callgate(['run', '-q', '--policy', file, '--', ...command]);
    expect([enforced.status, enforced.stdout, enforced.stderr]).toEqual([0, '0\nLinux\n', '']);
  });
});

describe('what callgate run refuses, before anything has run', () => {
  /** One line, exit code 2, and the program has not been run. */
  function refused(args: readonly string[]): string {
    const mark = newPath('mark');
    const result = callgate(['run', ...args, '--', probe, `touch=${mark}`]);
    expect([result.status, result.stdout, existsSync(mark)]).toEqual([2, '', false]);
    return result.stderr;
  }

  function written(text: string): string {
    const file = newPath('policy');
    writeFileSync(file, text);
    return file;
  }

  it('a policy that does not allow execve', () => {
    const file = writePolicy(directory.path, denying(['execve']));
    const message =
      'callgate: policy: phase all does not allow execve, so the program could not be started (add it to the phase)\n';
    expect(refused(['--policy', file])).toBe(message);
    expect(refused(['--policy', file, '--exec'])).toBe(message);
  });

  it('a file that is not there', () => {
    expect(refused(['--policy', '/proc/nowhere/policy.yaml'])).toMatch(
      /^callgate: run: cannot read \/proc\/nowhere\/policy.yaml.*\n$/,
    );
  });

  it('a document that is broken', () => {
    expect(refused(['--policy', written('format: [')])).toMatch(/^callgate: .*not YAML, line [0-9]+.*\n$/);
    expect(refused(['--policy', written('{"format": ')])).toMatch(/^callgate: .*not JSON.*\n$/);
    expect(refused(['--policy', written('')])).toMatch(/^callgate: .*\n$/);
  });

  it('a profile in place of a policy', () => {
    const profile = newPath('profile.json');
    callgate(['trace', '-q', '-o', profile, '--', 'true']);
    expect(refused(['--policy', profile])).toMatch(/^callgate: .*not a callgate policy.*\n$/);
  });

  it('a document that is newer than this release', () => {
    const text = readFileSync(writePolicy(directory.path, denying([])), 'utf8').replace(
      'version: 1',
      'version: 2',
    );
    expect(refused(['--policy', written(text)])).toMatch(
      /^callgate: .*version 2 is newer than this callgate understands \(1\).*\n$/,
    );
  });

  it('an unknown call, for which it has a nearer name', () => {
    const text = readFileSync(writePolicy(directory.path, denying([])), 'utf8').replace(
      /- openat\b/,
      '- opanat',
    );
    expect(refused(['--policy', written(text)])).toMatch(
      /unknown system call of x86_64, "opanat" \(nearest: openat/,
    );
  });

  it('both a policy and a profile, and neither of them', () => {
    const message = 'callgate: run: give either --policy FILE or --profile FILE\n';
    expect(refused(['--policy', 'a', '--profile', 'b'])).toBe(message);
    expect(refused([])).toBe(message);
  });

  it('to learn into a profile', () => {
    expect(refused(['--profile', 'a', '--learn'])).toMatch(/^callgate: run: --learn adds to a policy.*\n$/);
  });

  it('a report that could not be written', () => {
    const file = writePolicy(directory.path, denying([]));
    expect(refused(['--policy', file, '--report', '/proc/nowhere/report'])).toMatch(
      /^callgate: output: cannot write \/proc\/nowhere\/report.*\n$/,
    );
  });

  it.each([
    ['no seccomp', 'seccomp', ['run']],
    ['no no_new_privs', 'prctl', ['run']],
    ['no seccomp, and nobody to say so afterwards', 'seccomp', ['run', '--exec']],
    ['no no_new_privs, and nobody to say so afterwards', 'prctl', ['run', '--exec']],
  ] as const)('a kernel that has %s', (_, denied, command) => {
    const marker = newPath('marker');
    const outer = writePolicy(directory.path, denying([denied]));
    const inner = writePolicy(directory.path, denying([]));
    const { status, stderr } = callgate([
      'run',
      '-q',
      '--exec',
      '--policy',
      outer,
      '--',
      CALLGATE,
      ...command,
      '--policy',
      inner,
      '--',
      'touch',
      marker,
    ]);
    expect(stderr).toMatch(/^callgate: .*kernel refused the filter.*the program was not run/);
    expect(status).not.toBe(0);
    expect(existsSync(marker)).toBe(false);
  });

  it.each([['run'], ['run', '--exec']])(
    'a program that is not there, with the exit code of a shell: %s %s',
    (...words) => {
      const file = writePolicy(directory.path, denying([]));
      const result = callgate([...words.filter(Boolean), '--policy', file, '--', 'no-such-program']);
      expect([result.status, result.stderr]).toEqual([
        127,
        'callgate: run: no-such-program: not found in PATH (give its path, or install it)\n',
      ]);
    },
  );

  it('a /proc of another pid namespace', () => {
    const file = writePolicy(directory.path, denying([]));
    const { status, stderr } = run('unshare', [
      '--fork',
      '--pid',
      CALLGATE,
      'run',
      '--policy',
      file,
      '--',
      'true',
    ]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^callgate: run: \/proc is that of another pid namespace, /),
    ]);
  });

  it('a program that is none', () => {
    const [file, script] = [writePolicy(directory.path, denying([])), newPath('script')];
    writeFileSync(script, 'echo hello\n', { mode: 0o755 });
    const result = callgate(['run', '--policy', file, '--', script]);
    expect([result.status, result.stderr]).toEqual([
      126,
      expect.stringMatching(/^callgate: run: cannot execute .*: ENOEXEC/),
    ]);
  });
});

/** Children of all threads of a process. */
function childrenOf(parent: number): number[] {
  return readdirSync(`/proc/${parent}/task`).flatMap((tid) =>
    readFileSync(`/proc/${parent}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** Empty if the process is gone. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** Starts the probe, which says `up` first, and finds its pid. */
async function background(
  document: Policy,
  words: readonly string[],
): Promise<{ running: ReturnType<typeof start>; pid: number }> {
  const running = start([
    'run',
    '-q',
    '--policy',
    writePolicy(directory.path, document),
    '--',
    probe,
    ...words,
  ]);
  await running.waitFor('up');
  const pid = childrenOf(running.pid).find(isProbe);
  if (pid === undefined) throw new Error('the program is not among the children of callgate');
  programs.push(pid);
  return { running, pid };
}
