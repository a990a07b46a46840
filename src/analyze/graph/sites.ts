import { type Arch, X32_SYSCALL_BIT } from '../../abi/arch.ts';
import { FACT } from '../code/object-code.ts';
import type { ArgumentQuery, CallPlace, UnknownValue } from './argument-query.ts';
import type { CallValues } from './call-values.ts';
import { IndirectNumbers } from './indirect-numbers.ts';
import type { ProgramGraph } from './program-graph.ts';
import type { SiteGate } from './gates.ts';
import { HOW, type Reach } from './reach.ts';

/** An instruction that enters the kernel. */
export interface CallSite {
  readonly node: number;
  readonly address: number;
  readonly arch: Arch;
  /** Numbers that it may pass, for x32 without bit 30, with the calls through which each came; see PossibleValues. */
  readonly numbers: ReadonlyMap<number, readonly CallPlace[]>;
  /** Where the number is not known. */
  readonly unknown: readonly UnknownValue[];
}

const RAX = 0;

/** All sites in reached code, with the numbers that they may pass. */
export function callSites(
  graph: ProgramGraph,
  reach: Reach,
  query: ArgumentQuery,
  values: CallValues,
): CallSite[] {
  const sites: CallSite[] = [];
  const gates = closedSiteGates(graph, reach);
  const indirect = new IndirectNumbers(graph, reach, query, values);
  for (const node of reach.order) {
    const { code, firstNode, base } = graph.objectOf(node);
    const index = node - firstNode;
    const end = code.factOffsets[index + 1] as number;
    for (let fact = code.factOffsets[index] as number; fact < end; fact++) {
      const kind = code.factKinds[fact];
      if (kind !== FACT.SYSCALL && kind !== FACT.INT80 && kind !== FACT.SYSENTER) continue;
      const address = base + (code.factPlaces[fact] as number);
      if (!reach.holds(node, address)) continue;
      const found = query.registerAt(node, address, RAX);
      const isHeldBack = gates.some(
        (gate) =>
          gate.nodes.has(node) && [...found.numbers.keys()].every((number) => gate.numbers.has(number)),
      );
      if (isHeldBack) continue;
      const numbers = new Map([...found.numbers].map(([number, way]) => [low32(number), way]));
      const unknown = found.unknown.filter((place) => {
        const known = indirect.of({ node, address }, place);
        for (const [number, way] of known ?? []) if (!numbers.has(number)) numbers.set(low32(number), way);
        return known === null;
      });
      if (kind !== FACT.SYSCALL) sites.push({ node, address, arch: 'i386', numbers, unknown });
      else sites.push(...sitesByArch(node, address, numbers, unknown));
    }
  }
  return sites;
}

/** The kernel takes a number with bit 30 for one of x32, unless it is negative: then the site is one of both. */
function sitesByArch(
  node: number,
  address: number,
  numbers: CallSite['numbers'],
  unknown: CallSite['unknown'],
): CallSite[] {
  const all = [...numbers];
  const own = all.filter(([number]) => !isX32(number));
  const others = all.filter(([number]) => isX32(number));
  const sites: CallSite[] = [];
  if (others.length === 0 || own.length > 0 || unknown.length > 0)
    sites.push({ node, address, arch: 'x86_64', numbers: new Map(own), unknown });
  if (others.length > 0) {
    const bare = others.map(([number, way]) => [number - X32_SYSCALL_BIT, way] as const);
    sites.push({ node, address, arch: 'x32', numbers: new Map(bare), unknown: [] });
  }
  return sites;
}

function isX32(number: number): boolean {
  return number >= X32_SYSCALL_BIT && number < 2 * X32_SYSCALL_BIT;
}

/** Gates of system calls that nothing reached opens. */
export function closedSiteGates(graph: ProgramGraph, reach: Reach): SiteGate[] {
  return graph.siteGates.filter(({ nodes, needs, byImport }) => {
    const isOpen = byImport ? [...needs].some((node) => reach.imported.has(node)) : reach.wasReached(needs);
    return !isOpen && isReached(reach, nodes);
  });
}

function isReached(reach: Reach, nodes: ReadonlySet<number>): boolean {
  for (const node of nodes) if (reach.how[node] !== HOW.NOT) return true;
  return false;
}

/** The kernel takes the number from the low half of the register. */
function low32(value: number): number {
  return ((value % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
}
