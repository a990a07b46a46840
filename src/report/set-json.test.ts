import { describe, expect, it } from 'vitest';
import { mergeProfiles } from '../profile/merge.ts';
import { formatSetJson, toSetDocument } from './set-json.ts';
import { hostileProfile, serverProfile } from './testing/server-profile.ts';

describe('toSetDocument', () => {
  it('says what was asked for and what fits', () => {
    const profile = mergeProfiles([serverProfile(), serverProfile()]);
    const document = toSetDocument(profile, { phase: 'setup', program: 'server' });
    expect(document).toMatchObject({
      format: 'callgate-set',
      version: 1,
      filter: { phase: 'setup', process: null, program: 'server' },
      phases: [
        { name: 'setup', size: 6 },
        { name: 'main', trigger: 'syscall:epoll_wait', source: 'auto', size: 4 },
      ],
      programs: [
        { path: '/bin/dash', buildId: null },
        { path: '/srv/server', buildId: 'abcdef' },
      ],
      arches: [
        { arch: 'x86_64', native: true, used: 4, total: 385 },
        { arch: 'i386', native: false, used: 1, total: 461 },
      ],
    });
    expect(document.runs).toEqual(profile.runs);
    expect(document.calls.map(({ name, nr }) => name ?? nr)).toEqual([
      'ioctl',
      'listen',
      'mprotect',
      'read',
      600,
      'open',
    ]);
  });

  it('has a call with everything that is known of it', () => {
    const { calls } = toSetDocument(serverProfile());
    expect(calls.find(({ name }) => name === 'mprotect')).toEqual({
      arch: 'x86_64',
      nr: 10,
      name: 'mprotect',
      origins: ['observed'],
      count: 3,
      first: 12e6,
      last: 13e6,
      phases: ['setup'],
      runs: { seen: [0], total: 1 },
      launch: false,
      errnos: null,
      args: [
        {
          index: 2,
          name: 'prot',
          values: [
            { value: 1, name: 'PROT_READ' },
            { value: 3, name: 'PROT_READ|PROT_WRITE' },
            { value: '0xffffffff00000000', name: null },
          ],
        },
      ],
    });
    expect(calls.find(({ name }) => name === 'execve')).toMatchObject({ launch: true });
    expect(calls.find(({ name }) => name === 'read')).toMatchObject({ errnos: { EAGAIN: 12, EINTR: 30 } });
    expect(calls.find(({ name }) => name === 'ioctl')?.args).toEqual([
      { index: 1, name: 'request', values: 'any' },
    ]);
  });

  it('has a process with pids and names in place of indices', () => {
    const { processes } = toSetDocument(serverProfile(), { pid: 100 });
    expect(processes).toHaveLength(2);
    expect(processes[1]).toEqual({
      run: 0,
      pid: 100,
      birth: 'exec',
      parent: 100,
      program: '/srv/server',
      argv: ['./server', '--name', 'a b'],
      start: 10e6,
      end: 3e9,
      exit: { kind: 'exited', code: 0 },
      threads: 3,
      phases: [
        { name: 'setup', at: 10e6, size: 6 },
        { name: 'main', at: 40e6, size: 3 },
      ],
      listens: [
        { at: 30e6, address: 'tcp:8080' },
        { at: 31e6, address: 'tcp:8080' },
        { at: 32e6, address: 'unix:/run/server.sock' },
      ],
    });
  });
});

describe('formatSetJson', () => {
  it('is the document, with nothing that a terminal would act on', () => {
    const text = formatSetJson(hostileProfile());
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse(text)).toEqual(toSetDocument(hostileProfile()));
  });
});
