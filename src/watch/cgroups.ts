import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readStat } from '../trace/proc.ts';
import { Containers } from './containers.ts';
import { cgroupPath, withMove } from './target.ts';

/** Directories that a search for a cgroup looks at, at most. */
const SEARCH_CAP = 20_000;

/** Ids of cgroups whose path is remembered, at most. */
const KNOWN_CAP = 20_000;

/** PF_EXITING of include/linux/sched.h. */
const EXITING = 4;

/** Finds the cgroups of processes, also of such as are gone by now. */
export class Cgroups implements Disposable {
  readonly #mounts: readonly string[];
  readonly #paths: Map<bigint, string> = new Map();
  readonly #containers: Containers;

  constructor() {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, place, type] = line.split(' ');
        return place !== undefined && (type === 'cgroup2' || type === 'cgroup') ? [{ place, type }] : [];
      });
    this.#mounts = mounts.flatMap(({ place, type }) => (type === 'cgroup2' ? [place] : []));
    // One hierarchy may be mounted within another: the innermost first.
    const places = mounts.map(({ place }) => place).sort((one, other) => other.length - one.length);
    this.#containers = new Containers(places);
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

  /** Ids of the containers that runc knows or has known, by themselves and by the paths of their cgroups: those may have any name. */
  containers(): ReadonlyMap<string, string> {
    return this.#containers.known();
  }

  [Symbol.dispose](): void {
    this.#containers[Symbol.dispose]();
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
