import { basename } from 'node:path';
import type { CallGraph, GraphEdge, GraphFunction } from '../analyze/explain/call-graph.ts';
import { escapeText } from './escape.ts';

const STYLES: Readonly<Record<GraphEdge['how'], string>> = {
  call: '',
  jump: ' [arrowhead=empty]',
  import: ' [color=blue]',
  taken: ' [style=dashed]',
};

/**
 * A call graph for Graphviz: objects are clusters, functions that make system calls are boxes with their names, assumed edges are
 * dashed.
 */
export function formatGraphDot({ objects, functions, edges }: CallGraph): string {
  const lines = ['digraph calls {', '  rankdir=LR;', '  node [shape=plaintext];'];
  for (const [index, path] of objects.entries()) {
    const own = functions
      .map((each, number) => [each, number] as const)
      .filter(([{ object }]) => object === index);
    if (own.length === 0) continue;
    lines.push(`  subgraph cluster_${index} {`, `    label=${quoted(path)};`);
    for (const [each, number] of own)
      lines.push(`    n${number} [label=${quoted(labelOf(each, path))}${traits(each)}];`);
    lines.push('  }');
  }
  for (const { from, to, how } of edges) lines.push(`  n${from} -> n${to}${STYLES[how]};`);
  return `${[...lines, '}'].join('\n')}\n`;
}

function labelOf({ name, address, calls }: GraphFunction, path: string): string {
  const place = name ?? `${basename(path)}+0x${address.toString(16)}`;
  return calls.length === 0 ? place : `${place}\n${calls.join(', ')}`;
}

function traits({ root, calls }: GraphFunction): string {
  return `${calls.length > 0 ? ', shape=box' : ''}${root === null ? '' : `, style=bold, tooltip=${quoted(root)}`}`;
}

function quoted(text: string): string {
  const lines = text.split('\n').map((line) => escapeText(line).replace(/["\\]/g, '\\$&'));
  return `"${lines.join('\\n')}"`;
}
