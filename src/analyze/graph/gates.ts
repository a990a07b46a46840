import { syscallNumber } from '../../abi/syscalls.ts';
import { FACT, ORIGIN } from '../code/object-code.ts';
import type { GraphObject, ProgramGraph } from './program-graph.ts';

/** Functions that do nothing unless others were called before: they count once one of those is reached. */
export interface Gate {
  readonly nodes: ReadonlySet<number>;
  readonly needs: ReadonlySet<number>;
  /** For people: why that is so. */
  readonly reason: string;
}

/** Calls of one function by others that happen only if something was called before. */
export interface EdgeGate {
  readonly from: ReadonlySet<number>;
  readonly to: ReadonlySet<number>;
  /** One of them must be called from outside of libc. */
  readonly imports: ReadonlySet<number>;
  readonly reason: string;
}

/** System calls that functions make themselves, and make only if others were called before. */
export interface SiteGate {
  readonly nodes: ReadonlySet<number>;
  /** Numbers on x86_64. */
  readonly numbers: ReadonlySet<number>;
  readonly needs: ReadonlySet<number>;
  /** Whether only calls from outside of libc count for `needs`. */
  readonly byImport: boolean;
  readonly reason: string;
}

/** A gate by names that libc exports. */
interface NamedGate {
  readonly closed: readonly string[];
  readonly needs: readonly string[];
  readonly reason: string;
}

/** Source: glibc 2.36, sunrpc/svc.c, sunrpc/rpc_thread.c. */
const NAMED: readonly NamedGate[] = [
  {
    closed: ['svc_unregister'],
    needs: ['svc_register', 'registerrpc', 'xprt_register'],
    reason: 'the RPC services that the end of a thread removes exist only if svc_register is called',
  },
];

/** Gates of a program's C library; empty where it is not glibc. */
export function gatesOf(graph: ProgramGraph): Gate[] {
  const libc = graph.objects.find(({ image }) => image.file.soname === 'libc.so.6');
  if (libc === undefined) return [];
  const gates: Gate[] = [
    {
      nodes: profilers(graph),
      needs: new Set(),
      reason: 'the environment has no LD_PROFILE, by which the loader profiles a library',
    },
  ];
  for (const { closed, needs, reason } of NAMED) {
    const openers = nodesOf(graph, libc, needs);
    if (openers.size > 0) gates.push({ nodes: nodesOf(graph, libc, closed), needs: openers, reason });
  }
  const priority = priorityFunctions(graph, libc);
  const protocol = nodesOf(graph, libc, [
    'pthread_mutexattr_setprotocol',
    'pthread_mutexattr_setprioceiling',
  ]);
  if (protocol.size > 0) {
    gates.push({
      nodes: priority,
      needs: protocol,
      reason:
        'mutexes that change the priority of their owner exist only if pthread_mutexattr_setprotocol is called',
    });
  }
  return gates.filter(({ nodes }) => nodes.size > 0);
}

/** Calls by which a new thread gets what its attributes ask for; source: glibc 2.36, nptl/pthread_create.c. */
const THREAD_ATTRIBUTES: readonly {
  readonly calls: readonly string[];
  readonly needs: readonly string[];
  readonly reason: string;
}[] = [
  {
    calls: ['sched_getparam', 'sched_getscheduler', 'sched_setscheduler'],
    needs: [
      'pthread_attr_setinheritsched',
      'pthread_attr_setschedpolicy',
      'pthread_attr_setschedparam',
      'pthread_setattr_default_np',
    ],
    reason:
      'threads get a scheduling policy of their own only if pthread_attr_setinheritsched or its like is called',
  },
  {
    calls: ['sched_setaffinity'],
    needs: ['pthread_attr_setaffinity_np', 'pthread_getattr_np', 'pthread_setattr_default_np'],
    reason:
      'threads begin on processors of their own only if pthread_attr_setaffinity_np or its like is called',
  },
];

/** Gates of the calls that pthread_create of glibc makes, itself and in the local functions that it calls. */
export function siteGatesOf(graph: ProgramGraph): SiteGate[] {
  const libc = graph.objects.find(({ image }) => image.file.soname === 'libc.so.6');
  if (libc === undefined) return [];
  const execve = syscallNumber('x86_64', 'execve') ?? -1;
  const loader: SiteGate = {
    nodes: loaderFunctions(graph, execve),
    numbers: new Set([execve]),
    needs: new Set(),
    byImport: false,
    reason: 'the loader executes programs only when it is started as a program itself',
  };
  const nodes = nodesOf(graph, libc, ['pthread_create']);
  const callees = [...nodes].flatMap((node) => [...calleesOf(libc, node)]);
  for (const callee of callees) if (!isExported(libc, callee)) nodes.add(callee);
  const spawn: SiteGate = {
    nodes: spawnChild(libc),
    numbers: new Set(['setresuid', 'setresgid'].flatMap((name) => syscallNumber('x86_64', name) ?? [])),
    needs: nodesOf(graph, libc, ['posix_spawnattr_setflags']),
    byImport: true,
    reason: SPAWN_REASON,
  };
  const threads: SiteGate[] = THREAD_ATTRIBUTES.map(({ calls, needs, reason }) => ({
    nodes,
    numbers: new Set(calls.flatMap((name) => syscallNumber('x86_64', name) ?? [])),
    needs: nodesOf(graph, libc, needs),
    byImport: false,
    reason,
  }));
  const open = [spawn, ...threads].filter(({ needs }) => needs.size > 0);
  return loader.nodes.size === 0 ? open : [loader, ...open];
}

const SPAWN_REASON =
  'posix_spawn changes identity, session and scheduling only if posix_spawnattr_setflags is called by the program';

/** The function in which a child of posix_spawn begins: a local one that changes all user and group ids itself. */
function spawnChild(libc: GraphObject): Set<number> {
  const found = new Set<number>();
  const wanted = ['setresuid', 'setresgid'].map((name) => syscallNumber('x86_64', name));
  const { code, firstNode, view } = libc;
  for (let index = 0; index < code.starts.length; index++) {
    const origins = code.origins[index] as number;
    if ((origins & ORIGIN.SYMBOL) !== 0 || (origins & ORIGIN.TAKEN) === 0) continue;
    const numbers = new Set<number | null>();
    for (
      let fact = code.factOffsets[index] as number;
      fact < (code.factOffsets[index + 1] as number);
      fact++
    ) {
      const at = code.factPlaces[fact] as number;
      // mov eax, imm32; syscall
      if (code.factKinds[fact] === FACT.SYSCALL && view.u8(at - 5) === 0xb8) numbers.add(view.u32(at - 4));
    }
    if (wanted.every((number) => numbers.has(number))) found.add(firstNode + index);
  }
  return found;
}

/** Gates of what a child of posix_spawn does for its attributes; source: glibc 2.36, sysdeps/unix/sysv/linux/spawni.c. */
export function edgeGatesOf(graph: ProgramGraph): EdgeGate[] {
  const libc = graph.objects.find(({ image }) => image.file.soname === 'libc.so.6');
  if (libc === undefined) return [];
  const from = spawnChild(libc);
  const to = nodesOf(graph, libc, SPAWN_CALLEES);
  const imports = nodesOf(graph, libc, ['posix_spawnattr_setflags']);
  return from.size === 0 || imports.size === 0 ? [] : [{ from, to, imports, reason: SPAWN_REASON }];
}

const SPAWN_CALLEES = [
  'setsid',
  'setpgid',
  '__setpgid',
  'getpgid',
  '__getpgid',
  'sched_setparam',
  'sched_setscheduler',
  'getuid',
  'getgid',
];

function isExported({ code, firstNode }: GraphObject, node: number): boolean {
  return ((code.origins[node - firstNode] as number) & ORIGIN.SYMBOL) !== 0;
}

/**
 * The function of glibc's loader that starts a timer: it profiles a library when the environment has LD_PROFILE.
 * Source: glibc, elf/dl-profile.c.
 */
function profilers(graph: ProgramGraph): Set<number> {
  return loaderFunctions(graph, syscallNumber('x86_64', 'setitimer') ?? -1);
}

/**
 * Functions of glibc's loader that make a system call of a number themselves. Source for execve: glibc, elf/rtld.c
 * (rtld_chain_load), for programs without a loader of their own.
 */
function loaderFunctions(graph: ProgramGraph, number: number): Set<number> {
  const found = new Set<number>();
  for (const { image, view, code, firstNode } of graph.objects) {
    if (image.file.role !== 'interpreter' || image.file.soname !== 'ld-linux-x86-64.so.2') continue;
    for (let index = 0; index < code.starts.length; index++) {
      for (
        let fact = code.factOffsets[index] as number;
        fact < (code.factOffsets[index + 1] as number);
        fact++
      ) {
        const at = code.factPlaces[fact] as number;
        // mov eax, imm32; syscall
        const isNumber = view.u8(at - 5) === 0xb8 && view.u32(at - 4) === number;
        if (code.factKinds[fact] === FACT.SYSCALL && isNumber) found.add(firstNode + index);
      }
    }
  }
  return found;
}

/**
 * The two functions of glibc that change and read the priority for mutexes of protocol PTHREAD_PRIO_PROTECT, which have no exported
 * names: the local functions that call sched_get_priority_min and _max, or sched_getparam and sched_getscheduler.
 * Source: glibc, nptl/tpp.c.
 */
function priorityFunctions(graph: ProgramGraph, libc: GraphObject): Set<number> {
  const found = new Set<number>();
  const limits = nodesOf(graph, libc, ['__sched_get_priority_min', '__sched_get_priority_max']);
  const readers = nodesOf(graph, libc, ['__sched_getparam', '__sched_getscheduler']);
  const { code, firstNode } = libc;
  for (let index = 0; index < code.starts.length; index++) {
    if (((code.origins[index] as number) & ORIGIN.SYMBOL) !== 0) continue;
    const node = firstNode + index;
    if (callsTwo(libc, node, limits) || callsTwo(libc, node, readers)) found.add(node);
  }
  return found;
}

/** Whether a function calls, or jumps to, two of some others. */
function callsTwo({ code, firstNode }: GraphObject, node: number, wanted: ReadonlySet<number>): boolean {
  let called = -1;
  const index = node - firstNode;
  const end = code.factOffsets[index + 1] as number;
  for (let fact = code.factOffsets[index] as number; fact < end; fact++) {
    const kind = code.factKinds[fact];
    if (kind !== FACT.CALL && kind !== FACT.JUMP) continue;
    const callee = firstNode + (code.factTargets[fact] as number);
    if (!wanted.has(callee) || callee === called) continue;
    if (called >= 0) return true;
    called = callee;
  }
  return false;
}

function calleesOf({ code, firstNode }: GraphObject, node: number): Set<number> {
  const callees = new Set<number>();
  const index = node - firstNode;
  for (let fact = code.factOffsets[index] as number; fact < (code.factOffsets[index + 1] as number); fact++) {
    const kind = code.factKinds[fact];
    if (kind === FACT.CALL || kind === FACT.JUMP) callees.add(firstNode + (code.factTargets[fact] as number));
  }
  return callees;
}

function nodesOf(graph: ProgramGraph, object: GraphObject, names: readonly string[]): Set<number> {
  const nodes = new Set<number>();
  for (const name of names) {
    for (const { object: index, address } of graph.image.lookup(name)) {
      const node = index === object.index ? graph.nodeAt(address) : -1;
      if (node >= 0) nodes.add(node);
    }
  }
  return nodes;
}
