import { existsSync, readFileSync } from 'node:fs';
import { machine, release } from 'node:os';
import { isInInitialPidNamespace } from '../trace/method.ts';
import { readStatus } from '../trace/proc.ts';
import { untriedFacts, type NativeFacts } from '../sys/probe-facts.ts';
import { CAP, hasBit } from '../abi/capabilities.ts';
import type { BtfFacts, Facts, SelfFacts, Setting } from './facts.ts';

const BTF = '/sys/kernel/btf/vmlinux';

/** Words in /proc/self/cgroup that container managers leave. */
const CGROUP_WORDS = /\b(docker|kubepods|libpod|containerd|lxc|machine\.slice|garden)\b/;

/**
 * Looks at this machine. Never throws for what it finds; starts children that are gone again when it returns.
 *
 * The native probes are imported here and not above: that koffi cannot be loaded is a finding.
 */
export async function gatherFacts(): Promise<Facts> {
  const self = readSelf();
  return {
    node: process.versions.node,
    machine: machine(),
    kernel: release(),
    self,
    procOptions: readProcOptions(),
    yama: readSysctl('kernel/yama/ptrace_scope'),
    actionsAvailable: readSysctl('kernel/seccomp/actions_avail'),
    memfdNoexec: readSysctl('vm/memfd_noexec'),
    unprivilegedBpf: readSysctl('kernel/unprivileged_bpf_disabled'),
    perfEventParanoid: readSysctl('kernel/perf_event_paranoid'),
    containerHints: findContainerHints(),
    allUsersMapped: areAllUsersMapped(),
    initialPids: isInInitialPidNamespace(),
    btf: readBtf(),
    native: await probe(self),
  };
}

async function probe(self: SelfFacts | null): Promise<NativeFacts> {
  try {
    const { probeNative } = await import('../sys/probe.ts');
    return probeNative({
      // Without /proc it is unknown, and the careful way costs a millisecond.
      filtered: self === null || (self.seccompMode ?? 0) !== 0,
      privileged: self !== null && hasBit(self.effective, CAP.SYS_ADMIN),
    });
  } catch (error) {
    const [line] = (error as Error).message.split('\n');
    return untriedFacts(`the native probes cannot run: ${line}`);
  }
}

function readSelf(): SelfFacts | null {
  const status = readStatus('self');
  if (status === null) return null;
  const mask = (name: string): bigint => BigInt(`0x${status.get(name) ?? '0'}`);
  const count = (name: string): number | null => {
    const text = status.get(name);
    return text === undefined ? null : Number(text);
  };
  const noNewPrivs = count('NoNewPrivs');
  return {
    effective: mask('CapEff'),
    bounding: mask('CapBnd'),
    noNewPrivs: noNewPrivs === null ? null : noNewPrivs === 1,
    seccompMode: count('Seccomp'),
    seccompFilters: count('Seccomp_filters'),
    tracerPid: count('TracerPid') ?? 0,
  };
}

function readSysctl(name: string): Setting {
  try {
    return { kind: 'value', text: readFileSync(`/proc/sys/${name}`, 'utf8').trim() };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    // Where /proc/sys itself is hidden (subset=pid), a missing file says nothing about the kernel.
    return reason === 'ENOENT' && existsSync('/proc/sys/kernel')
      ? { kind: 'absent' }
      : { kind: 'unreadable', reason };
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function readProcOptions(): string[] | null {
  for (const line of (readText('/proc/self/mounts') ?? '').split('\n')) {
    const [, place, type, options] = line.split(' ');
    if (place === '/proc' && type === 'proc') return (options ?? '').split(',');
  }
  return null;
}

function findContainerHints(): string[] {
  const hints = ['/.dockerenv', '/run/.containerenv'].filter((path) => existsSync(path));
  const word = CGROUP_WORDS.exec(readText('/proc/self/cgroup') ?? '')?.[1];
  if (word !== undefined) hints.push(`cgroup (${word})`);
  if (process.env['container'] !== undefined) hints.push('$container');
  return hints;
}

/** Source: user_namespaces(7): the initial namespace maps all 2^32 - 1 ids onto themselves. */
function areAllUsersMapped(): boolean | null {
  const text = readText('/proc/self/uid_map');
  return text === null ? null : /^\s*0\s+0\s+4294967295\s*$/.test(text);
}

function readBtf(): BtfFacts {
  try {
    const bytes = readFileSync(BTF);
    return { kind: 'read', size: bytes.length, sysEnter: bytes.includes('\0btf_trace_sys_enter\0') };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return reason === 'ENOENT' ? { kind: 'absent' } : { kind: 'unreadable', reason };
  }
}
