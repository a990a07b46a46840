import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isTracingSupported, judgeFacts } from '../../src/doctor/diagnosis.ts';
import { gatherFacts } from '../../src/doctor/gather.ts';
import { isRelease } from '../../src/doctor/facts.ts';
import { I386_EXIT_CODE } from '../../src/sys/probe-facts.ts';
import { callInChild, ProbeChild, runInChild } from '../../src/sys/probe-child.ts';
import { assembleCall } from '../../src/sys/probe-image.ts';
import { probeNative } from '../../src/sys/probe.ts';
import { assembleDoorbell } from '../../src/sys/trampoline.ts';
import { openLibc } from '../../src/sys/libc.ts';

const SYS_rt_sigreturn = 15;
const SYS_getpid = 39;
const SYS_close = 3;

function children(): string[] {
  return readdirSync('/proc/self/task').flatMap((tid) =>
    readFileSync(`/proc/self/task/${tid}/children`, 'utf8').split(' ').filter(Boolean),
  );
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('probing this machine', () => {
  it('finds that programs can be traced, and says how every probe went', async () => {
    const facts = await gatherFacts();
    expect(facts.native.ptrace).toMatchObject({
      seize: { kind: 'value' },
      interrupt: { kind: 'value', value: 128 },
      syscallInfo: { kind: 'value', value: 34 },
      readMemory: { kind: 'value', value: 4 },
      detach: { kind: 'value' },
    });
    expect(facts.native.seccomp.traceStop).toEqual({ kind: 'value', value: 59 });
    expect(facts.native.setNoNewPrivs).toEqual({ kind: 'value', value: 0 });
    expect(['value', 'error']).toContain(facts.native.i386.kind);
    if (facts.native.i386.kind === 'value') expect(facts.native.i386.value).toBe(I386_EXIT_CODE);
    expect(isTracingSupported(judgeFacts(facts))).toBe(true);
  });

  it('agrees with the list of actions that the kernel gives', async () => {
    const { actionsAvailable, native } = await gatherFacts();
    if (actionsAvailable.kind !== 'value') return;
    const offered = Object.entries(native.seccomp.actions)
      .filter(([, answer]) => answer.kind === 'value')
      .map(([name]) => name.toLowerCase());
    expect(offered.sort()).toEqual(actionsAvailable.text.split(' ').sort());
  });

  it('knows the flags that its release has', async () => {
    const { kernel, native } = await gatherFacts();
    const known = Object.entries(native.seccomp.flags)
      .filter(([, answer]) => answer.kind === 'error' && answer.errno === 14)
      .map(([name]) => name);
    expect(known).toEqual(expect.arrayContaining(['TSYNC', 'LOG', 'SPEC_ALLOW', 'NEW_LISTENER']));
    expect(known.includes('WAIT_KILLABLE_RECV')).toBe(isRelease(kernel, '5.19'));
  });

  it('gives the same answers where a filter makes it careful', () => {
    const privileged = process.getuid?.() === 0;
    const plain = probeNative({ filtered: false, privileged });
    expect(probeNative({ filtered: true, privileged })).toEqual(plain);
  });

  it('leaves no process and no descriptor behind, and takes less than half a second', async () => {
    await gatherFacts();
    const before = { children: children(), files: openFiles() };
    const start = performance.now();
    await gatherFacts();
    expect(performance.now() - start).toBeLessThan(500);
    expect({ children: children(), files: openFiles() }).toEqual(before);
  });

  it('changes nothing about the process itself', async () => {
    const state = (): string[] =>
      readFileSync('/proc/self/status', 'utf8')
        .split('\n')
        .filter((line) => /^(NoNewPrivs|Seccomp|Seccomp_filters|TracerPid|Cap\w+):/.test(line));
    const before = state();
    await gatherFacts();
    expect(state()).toEqual(before);
  });
});

describe('a probe child', () => {
  const libc = openLibc();

  it('answers with the error of its call', () => {
    expect(callInChild(libc, assembleCall(SYS_getpid, []))).toEqual({ kind: 'value', value: 0 });
    expect(callInChild(libc, assembleCall(SYS_close, [-1]))).toEqual({ kind: 'error', errno: 9 });
  });

  it('answers with the signal that ended it', () => {
    // There is no frame to return from: what lies on the stack sends it to nowhere.
    expect(callInChild(libc, assembleCall(SYS_rt_sigreturn, []))).toEqual({ kind: 'killed', signal: 11 });
  });

  it('answers with the error of its start', () => {
    expect(runInChild(libc, new Uint8Array(1))).toEqual({ kind: 'error', errno: 8 });
  });

  it('is killed and reaped when it is disposed of', () => {
    let pid: number;
    {
      using child = new ProbeChild(libc, assembleDoorbell());
      pid = child.pid;
      expect(children()).toContain(String(pid));
    }
    expect(children()).not.toContain(String(pid));
  });
});
