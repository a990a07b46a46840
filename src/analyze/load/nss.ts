import type { RootFileSystem } from './root.ts';
import { LibraryList, type RunTimeLibraries } from './run-time-library.ts';

/** The databases that glibc knows (glibc's nss/databases.def); others in the file belong to other programs. */
export const NSS_DATABASES = [
  'aliases',
  'ethers',
  'group',
  'group_compat',
  'gshadow',
  'hosts',
  'initgroups',
  'netgroup',
  'networks',
  'passwd',
  'passwd_compat',
  'protocols',
  'publickey',
  'rpc',
  'services',
  'shadow',
  'shadow_compat',
] as const;

/** One of NSS_DATABASES. */
export type NssDatabase = (typeof NSS_DATABASES)[number];

/** A service of a database and what its results lead to. */
export interface NssService {
  /** Such as `files`, `dns`, `systemd`. */
  readonly name: string;
  /** What was given in brackets after it, upper case: status to action, `{ NOTFOUND: 'RETURN' }`. */
  readonly actions: Readonly<Record<string, string>>;
}

/** Who implements a service: libc itself, which depends on its version. */
export interface NssOptions {
  /** Databases that are looked up; default all. */
  readonly databases?: readonly NssDatabase[];
  /** Services inside of libc; default those of glibc since 2.34, `files` and `dns`. */
  readonly builtIn?: readonly string[];
}

/**
 * The services of each database as /etc/nsswitch.conf of a root gives them, glibc's defaults for what it does not name.
 *
 * As in glibc a database that stands twice has its last line, `shadow` follows `passwd` and `gshadow` follows `group`, and what is malformed ends
 * the line. `initgroups` without a line is empty: the group database serves it. Source: glibc's nss/nss_database.c, nss/nss_action_parse.c.
 */
export function nssServices(root: RootFileSystem): ReadonlyMap<NssDatabase, readonly NssService[]> {
  const services = new Map<NssDatabase, readonly NssService[]>();
  for (const line of (root.readText('/etc/nsswitch.conf') ?? '').split('\n')) {
    const match = /^\s*([^\s:]+)[\s:]+(.*)$/.exec(line.replace(/#.*$/, ''));
    const database = NSS_DATABASES.find((name) => name === match?.[1]);
    if (database !== undefined) services.set(database, parseNssLine(match?.[2] ?? ''));
  }
  for (const database of NSS_DATABASES) {
    if (services.has(database)) continue;
    const model = FOLLOWED.get(database);
    const followed = model === undefined ? undefined : services.get(model);
    services.set(database, followed ?? parseNssLine(DEFAULTS.get(database) ?? 'files'));
  }
  return services;
}

/** The services of one line, after the colon, up to what is malformed. */
export function parseNssLine(text: string): NssService[] {
  const services: NssService[] = [];
  const token = /\s*(?:\[([^\]]*)\]|([^\s[]+))/y;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [, brackets, name] = match;
    const last = services.at(-1);
    if (name !== undefined) services.push({ name, actions: {} });
    else if (last === undefined || brackets === undefined) break;
    else {
      const actions = parseActions(brackets);
      if (actions === null) break;
      services[services.length - 1] = { name: last.name, actions: { ...last.actions, ...actions } };
    }
  }
  return services;
}

/**
 * The libraries that the Name Service Switch of glibc may open: `libnss_NAME.so.2` for each service that lookups can come to.
 *
 * A program linked with musl opens none.
 */
export function nssLibraries(root: RootFileSystem, options: NssOptions = {}): RunTimeLibraries {
  const list = new LibraryList();
  const { databases = NSS_DATABASES, builtIn = ['files', 'dns'] } = options;
  const services = nssServices(root);
  for (const database of databases) {
    // Asked by the service compat of the other database only.
    const asking = database.endsWith('_compat') ? services.get(database.slice(0, -7) as NssDatabase) : null;
    if (asking !== null && !asking?.some(({ name }) => name === 'compat')) continue;
    for (const { name, actions } of services.get(database) ?? []) {
      if (name.includes('/')) list.problems.push(`nsswitch.conf: service ${name} of ${database} is no name`);
      else if (!builtIn.includes(name)) {
        list.add(`libnss_${name}.so.2`, `service ${name} of database ${database} in /etc/nsswitch.conf`);
      }
      if (STATUSES.every((status) => (actions[status] ?? DEFAULT_ACTIONS[status]) === 'RETURN')) break;
    }
  }
  return list;
}

/** Databases that take the line of another when they have none. */
const FOLLOWED: ReadonlyMap<NssDatabase, NssDatabase> = new Map([
  ['shadow_compat', 'passwd_compat'],
  ['shadow', 'passwd'],
  ['gshadow', 'group'],
]);

/** Without a line; all others have `files`. */
const DEFAULTS: ReadonlyMap<NssDatabase, string> = new Map([
  ['hosts', 'files dns'],
  ['networks', 'files dns'],
  ['initgroups', ''],
  ['group_compat', 'nis'],
  ['passwd_compat', 'nis'],
  ['shadow_compat', 'nis'],
  ['publickey', 'nis nisplus'],
]);

const STATUSES = ['SUCCESS', 'NOTFOUND', 'UNAVAIL', 'TRYAGAIN'] as const;

const DEFAULT_ACTIONS = {
  SUCCESS: 'RETURN',
  NOTFOUND: 'CONTINUE',
  UNAVAIL: 'CONTINUE',
  TRYAGAIN: 'CONTINUE',
} as const;

/** `NOTFOUND=return !UNAVAIL=continue`: the sign means all other statuses. Null when malformed. */
function parseActions(text: string): Record<string, string> | null {
  const actions: Record<string, string> = {};
  for (const item of text.split(/\s+/).filter((part) => part !== '')) {
    const match = /^(!?)([A-Za-z]+)=([A-Za-z]+)$/.exec(item);
    const status = STATUSES.find((name) => name === match?.[2]?.toUpperCase());
    const action = match?.[3]?.toUpperCase() ?? '';
    if (status === undefined || !['RETURN', 'CONTINUE', 'MERGE'].includes(action)) return null;
    const all = match?.[1] === '!' ? STATUSES.filter((other) => other !== status) : [status];
    for (const each of all) actions[each] = action;
  }
  return actions;
}
