import type { Line } from './assemble.ts';
import { BPF } from './cbpf.ts';
import type { Decision, Jump, Test } from './decision-graph.ts';

/**
 * Writes a decision down as symbolic cBPF: every test once, before everything that it leads to.
 *
 * A test that follows one of the same word is entered behind its load.
 */
export function layOut(root: Decision): Line[] {
  const order = topologicalOrder(root);
  const entries = findEntries(root, order);
  const lines: Line[] = [];
  for (const node of order) {
    if (node.kind === 'return') {
      lines.push({ kind: 'label', label: entryLabel(node, 'cold') });
      lines.push({ kind: 'statement', code: BPF.RET | BPF.K, k: node.value });
      continue;
    }
    if (entries.has(entryLabel(node, 'cold'))) {
      lines.push({ kind: 'label', label: entryLabel(node, 'cold') });
      lines.push({ kind: 'statement', code: BPF.LD | BPF.W | BPF.ABS, k: node.word * 4 });
    }
    if (node.mask !== null) {
      if (entries.has(entryLabel(node, 'loaded')))
        lines.push({ kind: 'label', label: entryLabel(node, 'loaded') });
      lines.push({ kind: 'statement', code: BPF.ALU | BPF.AND | BPF.K, k: node.mask });
    }
    if (entries.has(entryLabel(node, 'ready')))
      lines.push({ kind: 'label', label: entryLabel(node, 'ready') });
    lines.push({
      kind: 'branch',
      code: BPF.JMP | JUMP_CODE[node.jump] | BPF.K,
      k: node.k,
      whenTrue: entryFrom(node, node.whenTrue),
      whenFalse: entryFrom(node, node.whenFalse),
    });
  }
  return lines;
}

/** Every test that can be reached from a decision, itself included. */
export function reachableTests(root: Decision): Test[] {
  return topologicalOrder(root).filter((node) => node.kind === 'test');
}

const JUMP_CODE: Readonly<Record<Jump, number>> = {
  jeq: BPF.JEQ,
  jgt: BPF.JGT,
  jge: BPF.JGE,
  jset: BPF.JSET,
};

/** What the accumulator holds on entry: nothing of use, the word, or the word and-ed with the mask. */
type Entry = 'cold' | 'loaded' | 'ready';

function entryLabel(node: Decision, entry: Entry): string {
  return `${node.id} ${entry}`;
}

function entryFrom(from: Test, to: Decision): string {
  if (to.kind === 'return' || to.word !== from.word) return entryLabel(to, 'cold');
  if (to.mask === from.mask) return entryLabel(to, 'ready');
  return entryLabel(to, from.mask === null ? 'loaded' : 'cold');
}

function findEntries(root: Decision, order: readonly Decision[]): Set<string> {
  const entries = new Set([entryLabel(root, 'cold')]);
  for (const node of order) {
    if (node.kind === 'return') continue;
    entries.add(entryFrom(node, node.whenTrue));
    entries.add(entryFrom(node, node.whenFalse));
  }
  return entries;
}

/** Reverse post-order of a depth-first walk, without recursion: a chain of rules may be thousands long. */
function topologicalOrder(root: Decision): Decision[] {
  const postOrder: Decision[] = [];
  const visited = new Set<Decision>();
  const stack: { node: Decision; leave: boolean }[] = [{ node: root, leave: false }];
  while (stack.length > 0) {
    const { node, leave } = stack.pop()!;
    if (leave) {
      postOrder.push(node);
      continue;
    }
    if (visited.has(node)) continue;
    visited.add(node);
    stack.push({ node, leave: true });
    // The child that is walked last comes right behind its parent.
    if (node.kind === 'test') {
      stack.push({ node: node.whenTrue, leave: false }, { node: node.whenFalse, leave: false });
    }
  }
  return postOrder.toReversed();
}
