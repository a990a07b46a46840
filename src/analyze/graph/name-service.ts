import { type NssDatabase, nssServices } from '../load/nss.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';
import type { Reach } from './reach.ts';

/** A lookup of the Name Service Switch that reached code may make, to be served by a library. */
export interface ServiceLookup {
  /** Such as `systemd`. */
  readonly service: string;
  /** Such as `getpwnam_r`. */
  readonly name: string;
  readonly database: NssDatabase;
  readonly node: number;
  readonly at: number;
}

/**
 * The Name Service Switch of glibc, per database and function.
 *
 * glibc looks a service's function up by name, so a function counts only once reached code holds its name; those built into
 * libc stand in a table that would open all of them at once.
 */
export class NameService {
  /** Lookups that libraries serve, in the order in which they were found. */
  readonly lookups: ServiceLookup[] = [];
  /** Databases that are looked up. */
  readonly databases: Set<NssDatabase> = new Set();
  readonly #services: ReturnType<typeof nssServices>;
  readonly #isStatic: boolean;
  /** Name without prefix and service of each function that is built in. */
  readonly #builtIn = new Map<number, string>();
  readonly #names = new Set<string>();

  /** @param isStatic whether the program is static and has glibc in it. */
  constructor(graph: ProgramGraph, isStatic: boolean) {
    this.#services = nssServices(graph.image.loadSet.root);
    this.#isStatic = isStatic;
    const libc = graph.objects.find((object) => object.image.file.soname === 'libc.so.6');
    // What is built into a static program counts by the table in which it stands.
    if (libc === undefined) return;
    const { symbols } = libc.image;
    for (let at = 1; at < symbols.count; at++) {
      if (symbols.shndx[at] === 0) continue;
      const match = /^_nss_(files|dns)_(.+)$/.exec(symbols.name(at));
      const name = match?.[2];
      if (name === undefined || !DATABASE_OF.has(name)) continue;
      const node = graph.nodeAt(libc.base + (symbols.value[at] as number));
      if (node >= 0) this.#builtIn.set(node, symbols.name(at));
    }
  }

  /** False for a function of a service: it counts when its name is looked up. */
  admits(node: number): boolean {
    return !this.#builtIn.has(node);
  }

  /** Code holds a text: if it is the name of a function of services, these count from now on. */
  textTaken(reach: Reach, object: GraphObject, text: string, node: number, at: number): void {
    if (!this.#isLibc(object) || this.#names.has(text)) return;
    const database = DATABASE_OF.get(text);
    if (database === undefined) return;
    this.#names.add(text);
    this.databases.add(database);
    for (const { name: service } of this.#servicesOf(database)) {
      const symbol = `_nss_${service}_${text}`;
      let isBuiltIn = service === 'files' || service === 'dns';
      for (const [known, name] of this.#builtIn) {
        if (name !== symbol) continue;
        isBuiltIn = true;
        reach.addTaken(known, node, at);
      }
      if (!isBuiltIn) this.lookups.push({ service, name: text, database, node, at });
    }
  }

  /** A static program that opens libraries has two: its own and the one that they need. */
  #isLibc({ index, image }: GraphObject): boolean {
    return image.file.soname === 'libc.so.6' || (this.#isStatic && index === 0);
  }

  #servicesOf(database: NssDatabase): readonly { readonly name: string }[] {
    const services = this.#services.get(database) ?? [];
    // The group database serves initgroups where that has no line.
    return database === 'initgroups' && services.length === 0
      ? (this.#services.get('group') ?? [])
      : services;
  }
}

/** Functions of services by database; source: glibc's nss/function.def and the *-lookup.c files. */
const FUNCTIONS: readonly (readonly [NssDatabase, string])[] = [
  ['aliases', 'endaliasent getaliasbyname_r getaliasent_r setaliasent'],
  ['ethers', 'endetherent getetherent_r gethostton_r getntohost_r setetherent'],
  ['group', 'endgrent getgrent_r getgrgid_r getgrnam_r setgrent'],
  ['initgroups', 'initgroups_dyn'],
  ['gshadow', 'endsgent getsgent_r getsgnam_r setsgent'],
  [
    'hosts',
    'endhostent getcanonname_r gethostbyaddr2_r gethostbyaddr_r gethostbyname2_r gethostbyname3_r gethostbyname4_r gethostbyname_r gethostent_r sethostent',
  ],
  ['netgroup', 'endnetgrent getnetgrent_r setnetgrent'],
  ['networks', 'endnetent getnetbyaddr_r getnetbyname_r getnetent_r setnetent'],
  ['passwd', 'endpwent getpwent_r getpwnam_r getpwuid_r setpwent'],
  ['protocols', 'endprotoent getprotobyname_r getprotobynumber_r getprotoent_r setprotoent'],
  ['publickey', 'getpublickey getsecretkey netname2user'],
  ['rpc', 'endrpcent getrpcbyname_r getrpcbynumber_r getrpcent_r setrpcent'],
  ['services', 'endservent getservbyname_r getservbyport_r getservent_r setservent'],
  ['shadow', 'endspent getspent_r getspnam_r setspent'],
];

const DATABASE_OF: ReadonlyMap<string, NssDatabase> = new Map(
  FUNCTIONS.flatMap(([database, names]) => names.split(' ').map((name) => [name, database] as const)),
);
