import { createHash } from 'node:crypto';
import { baseName } from '../base/base-name.ts';

/** By what a machine is divided into targets. */
export type Division = 'unit' | 'container' | 'exe';

/** What a profile is made of: a unit, a container or an executable. */
export interface Target {
  /** Unit name, runtime and id of a container, or path; what people are shown and patterns are matched with. */
  readonly name: string;
  /** Name of its profile, without a directory: the same for the same target, and of letters that every shell takes. */
  readonly file: string;
}

/** Suffixes of unit names that a cgroup can have; source: systemd.unit(5), slices apart. */
const UNIT = /^(.+)\.(service|scope|socket|mount|swap)$/;

/**
 * Prefixes by which runtimes name the scope of a container under systemd, and the name that it is given here.
 * Sources: moby daemon/config, cri-o and containerd's cri (systemd driver), podman's libpod/container_internal_linux.go.
 */
const SCOPES: readonly (readonly [prefix: string, runtime: string])[] = [
  ['cri-containerd', 'containerd'],
  ['nerdctl', 'nerdctl'],
  ['docker', 'docker'],
  ['crio', 'crio'],
  ['libpod', 'podman'],
  ['machine', 'machine'],
];

/** Helpers of container runtimes, which have scopes or cgroups of their own beside the container. */
const MONITOR = /^(?:crio-conmon|libpod-conmon)-/;

/** Id of a container: 64 hexadecimal digits. */
const ID = /^[0-9a-f]{64}$/;

/** Longest name of a file that is not cut: what is put around it needs room below the 255 bytes of NAME_MAX. */
const FILE_CAP = 180;

/**
 * The systemd unit of a cgroup, by its path within the hierarchy: the first part of the path that is no slice.
 *
 * A unit of a user's own manager has the manager's unit before it (`user@1000.service/foo.service`). Where there is none it is the
 * container, else the slice, `-.slice` for the root, else the path itself (`cgroup /foo`): every process belongs to something.
 */
export function unitOf(cgroup: string, containers: ReadonlyMap<string, string> = new Map()): Target {
  const parts = partsOf(cgroup);
  const first = parts.findIndex((part) => !part.endsWith('.slice'));
  const unit = parts[first];
  if (unit === undefined) return toTarget(parts.at(-1) ?? '-.slice');
  if (UNIT.test(unit)) {
    const inner = /^user@\d+\.service$/.test(unit)
      ? parts.slice(first + 1).find((part) => UNIT.test(part))
      : undefined;
    return toTarget(inner === undefined ? unit : `${unit}/${inner}`);
  }
  return containerOf(cgroup, containers) ?? toTarget(`cgroup ${cgroup}`);
}

/**
 * The container of a cgroup, the innermost if there are several; null if it is of none.
 *
 * @param containers ids of containers that are known otherwise, by themselves and by their cgroups: runc gives those any name
 */
export function containerOf(
  cgroup: string,
  containers: ReadonlyMap<string, string> = new Map(),
): Target | null {
  const parts = partsOf(cgroup);
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index] as string;
    if (MONITOR.test(part)) return null;
    const id = containers.get(part) ?? containers.get(`/${parts.slice(0, index + 1).join('/')}`);
    const name = containerName(part, parts[index - 1] ?? '') ?? (id === undefined ? null : `runc-${id}`);
    if (name !== null) return toTarget(name);
  }
  return null;
}

/** What the kernel puts behind the path of a file that was deleted or replaced, and what a file may really be called. */
const DELETED = / \(deleted\)$/;

/** Whether it cannot be told from its path alone how an executable is called. */
export function isDeleted(path: string): boolean {
  return DELETED.test(path);
}

/** The executable; a file that was deleted or replaced meanwhile keeps its name. `isName`: that is what it is called. */
export function executableOf(path: string, isName = false): Target {
  return toTarget(isName ? path : path.replace(DELETED, ''));
}

/**
 * The path of a process's cgroup from the text of /proc/PID/cgroup (cgroups(7)): that of the v2 hierarchy, or where the
 * process is at its root that of systemd's own, or of any v1 hierarchy. Null for a text without any.
 */
export function cgroupPath(text: string): string | null {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const controllers = match[1] === '0' ? 'v2' : (match[2] as string);
    // A cgroup that was removed while a process was in it.
    paths.set(controllers, (match[3] as string).replace(/ \(deleted\)$/, ''));
  }
  const inner = [
    paths.get('v2'),
    paths.get('name=systemd'),
    ...[...paths].flatMap(([name, path]) => (name === 'v2' ? [] : [path])),
  ];
  return (
    inner.find((path) => path !== undefined && path !== '/') ??
    inner.find((path) => path !== undefined) ??
    null
  );
}

/**
 * The text of /proc/PID/cgroup after a move within one hierarchy.
 *
 * @param text null if it is not known; then nothing but this hierarchy is
 * @param hierarchy its number in the text, 0 for v2
 */
export function withMove(text: string | null, hierarchy: number, path: string): string {
  const line = new RegExp(`^${hierarchy}:([^:]*):.*$`, 'm');
  if (text === null || !line.test(text)) return `${text ?? ''}${hierarchy}::${path}\n`;
  return text.replace(line, (_, controllers: string) => `${hierarchy}:${controllers}:${path}`);
}

/** Which targets are wanted: those that match an `include` if there is one, and no `exclude`. `*`, `?` and brackets as in a shell. */
export interface Selection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Whether a target is wanted; for a path a pattern without a slash is matched with its last part. */
export function isSelected({ name }: Target, { include, exclude }: Selection): boolean {
  const matches = (pattern: string): boolean => {
    const text = name.startsWith('/') && !pattern.includes('/') ? baseName(name) : name;
    return toExpression(pattern).test(text);
  };
  return (include.length === 0 || include.some(matches)) && !exclude.some(matches);
}

function partsOf(cgroup: string): string[] {
  return cgroup.split('/').filter((part) => part !== '');
}

function containerName(part: string, parent: string): string | null {
  const scope = /^(.+)\.scope$/.exec(part)?.[1] ?? part;
  for (const [prefix, runtime] of SCOPES) {
    const id = scope.startsWith(`${prefix}-`) ? scope.slice(prefix.length + 1) : '';
    if (ID.test(id)) return `${runtime}-${id.slice(0, 12)}`;
    if (runtime === 'machine' && id !== '' && part.endsWith('.scope')) return `machine-${id}`;
  }
  // containerd's cri below a unit: SLICE:PREFIX:ID.
  const last = scope.slice(scope.lastIndexOf(':') + 1);
  if (ID.test(last)) {
    const runtime = parent === 'docker' ? 'docker' : parent.startsWith('pod') ? 'kubernetes' : 'container';
    return `${scope.includes(':cri-containerd:') ? 'containerd' : runtime}-${last.slice(0, 12)}`;
  }
  const lxc = /^lxc\.payload\.(.+)$/.exec(part)?.[1] ?? (parent === 'lxc' ? part : undefined);
  if (lxc !== undefined) return `lxc-${lxc}`;
  const machine = /^systemd-nspawn@(.+)\.service$/.exec(part)?.[1];
  return machine === undefined ? null : `machine-${machine}`;
}

function toTarget(name: string): Target {
  const plain = name
    .replace(/^\//, '')
    .replaceAll('/', '_')
    .replaceAll(/[^A-Za-z0-9_.@:-]/g, '-')
    .replace(/^\./, '-');
  // What another name could have become as well is told apart by a sum.
  const isExact = (name.startsWith('/') ? name.slice(1) : name) === plain.replaceAll('_', '/');
  if (isExact && plain.length <= FILE_CAP) return { name, file: `${plain}.json` };
  const sum = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return { name, file: `${plain.slice(0, FILE_CAP)}-${sum}.json` };
}

/** `*`, `?` and brackets as in glob(7), but that `*` and `?` match slashes too; a bracket that is never closed, or has nothing in it, stands for itself. */
function toExpression(pattern: string): RegExp {
  const source = pattern.replace(
    /\[([!^]?)(\]?[^\]]*)\]|[\s\S]/g,
    (part, negation: string, members?: string) => {
      if (part === '*') return '.*';
      if (part === '?') return '.';
      if (members === undefined || members === '')
        return part.replaceAll(/[.+^${}()|[\]\\/-]/g, String.raw`\$&`);
      return `[${negation === '' ? '' : '^'}${classOf(members)}]`;
    },
  );
  return new RegExp(`^${source}$`, 's');
}

/** What stands between brackets: single characters, and ranges as far as they have any. */
function classOf(members: string): string {
  const escape = (character: string): string => character.replace(/[\\\]^-]/, String.raw`\$&`);
  return members.replace(/([\s\S])-([\s\S])|[\s\S]/g, (one, from?: string, to?: string) => {
    if (from === undefined || to === undefined) return escape(one);
    return from <= to ? `${escape(from)}-${escape(to)}` : '';
  });
}
