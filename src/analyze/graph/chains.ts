import type { ChainStep } from '../../profile/model.ts';
import type { CallPlace } from './argument-query.ts';
import type { ProgramGraph } from './program-graph.ts';
import { HOW, type Reach } from './reach.ts';
import type { CallSite } from './sites.ts';
import { baseName } from '../../base/base-name.ts';

/** A place of the image as documents have it. */
export function codePlace(
  graph: ProgramGraph,
  address: number,
): Pick<ChainStep, 'object' | 'function' | 'address'> {
  const object = graph.objects[graph.image.objectAt(address)];
  const name = graph.image.symbolAt(address);
  const isInside = name !== null && (name.size === 0 ? name.offset === 0 : name.offset < name.size);
  return {
    object: object?.image.file.path ?? '',
    function: isInside ? name.name : null,
    address: address - (object?.base ?? 0),
  };
}

/** The shortest way from a root to a site: through the calls that bring the number, where the site takes it from its callers. */
export function chainTo(graph: ProgramGraph, reach: Reach, site: CallSite, nr: number): ChainStep[] {
  const way = site.numbers.get(nr) ?? [];
  const first = way[0];
  const steps = chainOfNode(graph, reach, first?.node ?? site.node);
  for (const [index, place] of way.entries()) {
    const callee = way[index + 1]?.node ?? site.node;
    steps.push(callStep(graph, reach, place, callee));
  }
  return [...steps, { ...codePlace(graph, site.address), how: 'site' }];
}

function callStep(graph: ProgramGraph, reach: Reach, { node }: CallPlace, callee: number): ChainStep {
  const isImport = graph.objectOf(node) !== graph.objectOf(callee);
  const how = reach.how[callee] === HOW.JUMP ? 'jump' : isImport ? 'import' : 'call';
  return { ...codePlace(graph, graph.addressOf(callee)), how };
}

/** The shortest way from a root to a function. */
export function chainOfNode(graph: ProgramGraph, reach: Reach, node: number): ChainStep[] {
  const steps: ChainStep[] = [];
  for (let at = node; at >= 0; at = reach.parents[at] as number) {
    const how = reach.how[at] as number;
    const parent = reach.parents[at] as number;
    const place = codePlace(graph, graph.addressOf(at));
    if (how === HOW.ROOT || parent < 0) {
      steps.push({ ...place, how: 'root', note: reach.notes.get(at) ?? 'thread-local data' });
    } else if (how === HOW.TAKEN || how === HOW.POINTER) {
      const where = codePlace(
        graph,
        how === HOW.POINTER ? (reach.words[at] as number) : (reach.places[at] as number),
      );
      const name = where.function ?? baseName(where.object);
      const kind = how === HOW.POINTER ? 'its address is in data' : 'its address is taken';
      steps.push({ ...place, how: 'taken', note: `${kind} at ${name} 0x${where.address.toString(16)}` });
    } else {
      steps.push({ ...place, how: how === HOW.CALL ? 'call' : how === HOW.JUMP ? 'jump' : 'import' });
    }
  }
  return steps.toReversed();
}
