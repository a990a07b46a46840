import { existsSync, readdirSync, readFileSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

/** Where runc and what builds on it keep a directory for each container. */
const STATE_DIRECTORIES = ['/run/runc', '/run/containerd/runc/k8s.io', '/run/docker/runtime-runc/moby'];

/** In a container's directory: what runc knows of it, once it is set up. */
const STATE_FILE = 'state.json';

/** Names and cgroups of containers that are remembered, at most. */
const KNOWN_CAP = 20_000;

/** Time between two looks for directories of runtimes, nanoseconds: the first container makes one, and may be short. */
const LOOK = 20_000_000n;

/**
 * The containers of runc, which may have cgroups of any name. They are learned from the event loop, for a short one is gone before anybody
 * lists the directory.
 */
export class Containers implements Disposable {
  /** Mount points of cgroup hierarchies. */
  readonly #mounts: readonly string[];
  readonly #watchers: Map<string, FSWatcher> = new Map();
  readonly #known: Map<string, string> = new Map();
  #lookedAt = 0n;

  constructor(mounts: readonly string[]) {
    this.#mounts = mounts;
  }

  /** Ids of the containers that runc knows or has known: by themselves, and by the paths of their cgroups within a hierarchy. */
  known(): ReadonlyMap<string, string> {
    const now = process.hrtime.bigint();
    if (now - this.#lookedAt > LOOK) {
      this.#lookedAt = now;
      for (const directory of STATE_DIRECTORIES) this.#lookInto(directory);
    }
    return this.#known;
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #lookInto(directory: string): void {
    if (this.#watchers.has(directory)) return;
    this.#watch(directory, (name) => this.#found(directory, name));
    try {
      for (const name of readdirSync(directory)) this.#found(directory, name);
    } catch {
      // That runtime is not here, or not yet.
    }
  }

  /** A container has come or gone. */
  #found(directory: string, id: string): void {
    this.#remember(id, id);
    const own = join(directory, id);
    if (!existsSync(own)) this.#forget(own);
    else if (!this.#watchers.has(own) && !this.#readState(own, id)) {
      this.#watch(own, (name) => {
        if (name === STATE_FILE && this.#readState(own, id)) this.#forget(own);
      });
      // It may have come in between.
      if (this.#readState(own, id)) this.#forget(own);
    }
  }

  /** Remembers the cgroups of a container; false if they are not written yet. */
  #readState(directory: string, id: string): boolean {
    let paths: unknown;
    try {
      const state = JSON.parse(readFileSync(join(directory, STATE_FILE), 'utf8')) as {
        cgroup_paths?: unknown;
      };
      paths = state.cgroup_paths;
    } catch {
      return false;
    }
    for (const path of Object.values(paths ?? {}) as unknown[]) {
      const mount = this.#mounts.find((place) => typeof path === 'string' && path.startsWith(`${place}/`));
      if (mount !== undefined) this.#remember((path as string).slice(mount.length), id);
    }
    return true;
  }

  #watch(directory: string, onChange: (name: string) => void): void {
    try {
      const watcher = watch(directory, (_, name) => {
        if (name !== null) onChange(name);
      });
      watcher.unref().on('error', () => this.#forget(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      // It is not there, or there are too many: what can be is found by its name.
    }
  }

  #forget(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }

  #remember(name: string, id: string): void {
    if (this.#known.size >= KNOWN_CAP) this.#known.clear();
    this.#known.set(name, id);
  }
}
