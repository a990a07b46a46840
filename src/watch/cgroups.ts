import { readdirSync, readFileSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { readStat } from '../trace/proc.ts';
import { cgroupPath, withMove } from './target.ts';

/** Where runc and what builds on it keep a directory for each container. */
const STATE_DIRECTORIES = ['/run/runc', '/run/containerd/runc/k8s.io', '/run/docker/runtime-runc/moby'];

/** Directories that a search for a cgroup looks at, at most. */
const SEARCH_CAP = 20_000;

/** Ids of cgroups whose path is remembered, at most. */
const KNOWN_CAP = 20_000;

/** Names of containers that are remembered, at most. */
const CONTAINER_CAP = 10_000;

/** PF_EXITING of include/linux/sched.h. */
const EXITING = 4;

/** Time between two looks for directories of containers, nanoseconds: the first container makes one, and may be short. */
const LOOK = 20_000_000n;

/** Finds the cgroups of processes, also of such as are gone by now. */
export class Cgroups implements Disposable {
  readonly #mounts: readonly string[];
  readonly #paths: Map<bigint, string> = new Map();
  readonly #watchers: Map<string, FSWatcher> = new Map();
  readonly #containers: Set<string> = new Set();
  #lookedAt = 0n;

  constructor() {
    this.#mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, place, type] = line.split(' ');
        return type === 'cgroup2' && place !== undefined ? [place] : [];
      });
  }

  /**
   * The cgroups that a process is in, or was in, as the text of /proc/PID/cgroup; without those of the v1 hierarchies if it is gone.
   *
   * @param id what the kernel said in the process itself (bpf_get_current_cgroup_id): where it was then, though it may have
   *   been moved or have ended since; 0 if it did not
   * @returns null if the process is gone, and the cgroup too
   */
  of(pid: number, id = 0n): string | null {
    const text = readCgroups(pid);
    const now = text === null ? 0n : this.#unifiedId(text);
    if (text !== null && (id === 0n || now === 0n || now === id)) return text;
    // The root, where the ids begin, may be that of a hierarchy which nothing is sorted by.
    if (text === null && id <= 1n) return null;
    const unified = this.#find(id);
    return unified === null ? null : withMove(text, 0, unified);
  }

  /** Id of the cgroup of the v2 hierarchy in which a process is; 0 if that cannot be told. */
  idOf(pid: number): bigint {
    const text = readCgroups(pid);
    return text === null ? 0n : this.#unifiedId(text);
  }

  #unifiedId(text: string): bigint {
    const path = /^0::(\/.*)$/m.exec(text)?.[1];
    const [mount] = this.#mounts;
    if (path === undefined || mount === undefined) return 0n;
    try {
      // The id of a cgroup is the inode number of its directory.
      return statSync(join(mount, path), { bigint: true }).ino;
    } catch {
      return 0n;
    }
  }

  /** Ids of the containers that runc knows or has known: their cgroups may have any name. */
  containers(): ReadonlySet<string> {
    const now = process.hrtime.bigint();
    if (now - this.#lookedAt > LOOK) {
      this.#lookedAt = now;
      for (const directory of STATE_DIRECTORIES) if (!this.#watchers.has(directory)) this.#watch(directory);
    }
    return this.#containers;
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(directory: string): void {
    try {
      const forget = (): void => {
        this.#watchers.get(directory)?.close();
        this.#watchers.delete(directory);
      };
      // A short container is gone before anybody lists the directory.
      const watcher = watch(directory, (_, name) => {
        if (name !== null) this.#remember(name);
      });
      watcher.unref().on('error', forget);
      this.#watchers.set(directory, watcher);
      for (const name of readdirSync(directory)) this.#remember(name);
    } catch {
      // That runtime is not here, or not yet.
    }
  }

  #remember(name: string): void {
    if (this.#containers.size >= CONTAINER_CAP) this.#containers.clear();
    this.#containers.add(name);
  }

  #find(id: bigint): string | null {
    const known = this.#paths.get(id);
    if (known !== undefined) return known;
    if (this.#paths.size >= KNOWN_CAP) this.#paths.clear();
    for (const mount of this.#mounts) {
      const waiting = ['/'];
      for (let looked = 0; waiting.length > 0 && looked < SEARCH_CAP; looked++) {
        const path = waiting.pop() as string;
        try {
          this.#paths.set(statSync(join(mount, path), { bigint: true }).ino, path);
          for (const entry of readdirSync(join(mount, path), { withFileTypes: true })) {
            if (entry.isDirectory()) waiting.push(join(path, entry.name));
          }
        } catch {
          // Removed meanwhile.
        }
      }
    }
    return this.#paths.get(id) ?? null;
  }
}

/** Null if the process is gone, or so far gone that what it was in cannot be told. */
function readCgroups(pid: number): string | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return null;
  }
  // Of a process that ends the kernel says that it is at the root of each v1 hierarchy; where it is in v2 stays true.
  const lines = text.split('\n').filter((line) => line !== '');
  const others = lines.filter((line) => !line.startsWith('0:'));
  if (others.length === 0 || others.some((line) => !line.endsWith(':/'))) return text;
  // Read after the text: if it does not end by now it did not then.
  const stat = readStat(pid);
  if (stat !== null && (stat.flags & EXITING) === 0) return text;
  const rest = lines.filter((line) => line.startsWith('0:')).join('\n');
  return (cgroupPath(rest) ?? '/') === '/' ? null : `${rest}\n`;
}
