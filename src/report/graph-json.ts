import type { CallGraph } from '../analyze/explain/call-graph.ts';
import { escapeJson } from './escape.ts';

/** A call graph as JSON, one function or edge a line. */
export function formatGraphJson({ objects, functions, edges }: CallGraph): string {
  const lines = (list: readonly unknown[]): string =>
    list.map((item) => `    ${JSON.stringify(item)}`).join(',\n');
  const parts = { objects, functions, edges };
  const text = Object.entries(parts).map(([name, list]) => `  "${name}": [\n${lines(list)}\n  ]`);
  return escapeJson(`{\n${text.join(',\n')}\n}\n`);
}
