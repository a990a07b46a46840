import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import type { ScopeTarget } from './backend.ts';
import { mountNamespace } from './mount-namespace.ts';

/** A part of the machine to trace. Exactly one is given. */
export interface ScopeOptions {
  /** Directory of a cgroup, or its path within the cgroup v2 hierarchy. */
  readonly cgroup?: string;
  /** Id of a container, or the first characters of it. */
  readonly container?: string;
  readonly all?: true;
}

/** Where runtimes keep what they know of a container, below which there is a directory of its id. */
const STATE_DIRECTORIES = [
  '/run/runc',
  '/run/docker/runtime-runc/moby',
  '/run/containerd/runc/k8s.io',
  '/run/containerd/runc/moby',
  '/run/containerd/runc/default',
] as const;

/**
 * Finds what a scope means on this machine.
 *
 * @throws UsageError if there is no such cgroup or container
 */
export function findScope({ cgroup, container }: ScopeOptions): ScopeTarget {
  if (cgroup !== undefined) {
    const path = findCgroup(cgroup);
    return { kind: 'scope', scope: { kind: 'cgroup', path }, text: `cgroup ${cgroup}` };
  }
  if (container !== undefined) {
    const pid = findContainer(container);
    const number = namespaceOf(pid);
    if (number === namespaceOf('self')) {
      throw new UsageError(
        `trace: container ${container} has no mount namespace of its own to tell its processes by (--cgroup PATH or --pid PID)`,
      );
    }
    return { kind: 'scope', scope: { kind: 'mount-namespace', number, pid }, text: `container ${container}` };
  }
  return { kind: 'scope', scope: { kind: 'all' }, text: 'the whole machine' };
}

function findCgroup(path: string): string {
  const places = [path, ...cgroupMounts().map((mount) => join(mount, path))];
  const found = places.find((place) => existsSync(join(place, 'cgroup.procs')));
  if (found === undefined) {
    throw new UsageError(
      `trace: there is no cgroup ${path} (a directory of a cgroup v2 hierarchy with cgroup.procs in it, such as /system.slice/redis.service)`,
    );
  }
  return found;
}

function cgroupMounts(): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, place, type] = line.split(' ');
    return type === 'cgroup2' && place !== undefined ? [place] : [];
  });
}

/** Pid of a process of a container: the first one, or any whose cgroup has the id in its path. */
function findContainer(id: string): number {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(id)) {
    throw new UsageError(`trace: ${JSON.stringify(id)} is not the id of a container`);
  }
  for (const directory of STATE_DIRECTORIES) {
    const name = list(directory).find((entry) => entry === id || (id.length >= 8 && entry.startsWith(id)));
    const pid = name === undefined ? null : firstProcess(join(directory, name, 'state.json'));
    if (pid !== null) return pid;
  }
  if (id.length >= 8) {
    for (const entry of list('/proc')) {
      if (/^[0-9]+$/.test(entry) && readText(`/proc/${entry}/cgroup`).includes(id)) return Number(entry);
    }
  }
  throw new UsageError(
    `trace: no process of container ${id} was found (--pid PID with the pid of one, or --cgroup PATH)`,
  );
}

function firstProcess(file: string): number | null {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as { init_process_pid?: unknown };
    return typeof state.init_process_pid === 'number' && existsSync(`/proc/${state.init_process_pid}`)
      ? state.init_process_pid
      : null;
  } catch {
    return null;
  }
}

function namespaceOf(pid: number | 'self'): number {
  try {
    return mountNamespace(pid);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`trace: cannot look at process ${pid} of the container, ${reason}`, {
      cause: error,
    });
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
