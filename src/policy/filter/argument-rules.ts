import { encodeAction } from './action.ts';
import { type Decision, type DecisionGraph, within } from './decision-graph.ts';
import type { Condition, Rule } from './ir.ts';
import { lowWord } from './seccomp-data.ts';

/** The decision for the rules of one number, first match wins; `unmatched` is for when none holds. */
export function decideRules(graph: DecisionGraph, rules: readonly Rule[], unmatched: Decision): Decision {
  const last = rules.findIndex((rule) => rule.conditions.length === 0);
  const reachable = last < 0 ? rules : rules.slice(0, last + 1);
  let next = unmatched;
  for (const rule of reachable.toReversed()) {
    let decision: Decision = graph.return(encodeAction(rule.action));
    for (const condition of rule.conditions.toReversed()) {
      decision = decideCondition(graph, condition, decision, next);
    }
    next = decision;
  }
  return next;
}

function decideCondition(
  graph: DecisionGraph,
  condition: Condition,
  whenTrue: Decision,
  whenFalse: Decision,
): Decision {
  const low = lowWord(condition.arg);
  return condition.width === 32
    ? decide32(graph, condition, low, whenTrue, whenFalse)
    : decide64(graph, condition, low, low + 1, whenTrue, whenFalse);
}

function decide32(
  graph: DecisionGraph,
  condition: Condition,
  word: number,
  yes: Decision,
  no: Decision,
): Decision {
  const value = Number(condition.value);
  switch (condition.op) {
    case 'eq':
      return graph.test(word, 'jeq', value, yes, no);
    case 'ne':
      return graph.test(word, 'jeq', value, no, yes);
    case 'gt':
      return graph.test(word, 'jgt', value, yes, no);
    case 'ge':
      return graph.test(word, 'jge', value, yes, no);
    case 'lt':
      return graph.test(word, 'jge', value, no, yes);
    case 'le':
      return graph.test(word, 'jgt', value, no, yes);
    case 'masked_eq':
      return graph.maskedTest(word, Number(condition.mask!), value, yes, no);
  }
}

function decide64(
  graph: DecisionGraph,
  condition: Condition,
  low: number,
  high: number,
  yes: Decision,
  no: Decision,
): Decision {
  const valueLow = lowHalf(condition.value);
  const valueHigh = highHalf(condition.value);
  switch (condition.op) {
    case 'eq':
      return decideEqual(graph, low, high, valueLow, valueHigh, yes, no);
    case 'ne':
      return decideEqual(graph, low, high, valueLow, valueHigh, no, yes);
    case 'gt':
      return decideAbove(graph, 'jgt', low, high, valueLow, valueHigh, yes, no);
    case 'ge':
      return decideAbove(graph, 'jge', low, high, valueLow, valueHigh, yes, no);
    case 'lt':
      return decideAbove(graph, 'jge', low, high, valueLow, valueHigh, no, yes);
    case 'le':
      return decideAbove(graph, 'jgt', low, high, valueLow, valueHigh, no, yes);
    case 'masked_eq': {
      const maskLow = lowHalf(condition.mask!);
      const maskHigh = highHalf(condition.mask!);
      const rest = maskLow === 0 ? yes : graph.maskedTest(low, maskLow, valueLow, yes, no);
      return maskHigh === 0 ? rest : graph.maskedTest(high, maskHigh, valueHigh, rest, no);
    }
  }
}

function decideEqual(
  graph: DecisionGraph,
  low: number,
  high: number,
  valueLow: number,
  valueHigh: number,
  yes: Decision,
  no: Decision,
): Decision {
  const lowTest = graph.test(
    low,
    'jeq',
    valueLow,
    within(yes, high, valueHigh, valueHigh),
    within(no, high, valueHigh, valueHigh),
  );
  return graph.test(high, 'jeq', valueHigh, lowTest, no);
}

/** The argument is above (`jgt`) or not below (`jge`) the value: the high half decides unless it is equal. */
function decideAbove(
  graph: DecisionGraph,
  jump: 'jgt' | 'jge',
  low: number,
  high: number,
  valueLow: number,
  valueHigh: number,
  yes: Decision,
  no: Decision,
): Decision {
  // Either way the low half cannot change the answer that the high half gives.
  if (jump === 'jge' && valueLow === 0) return graph.test(high, 'jge', valueHigh, yes, no);
  if (jump === 'jgt' && valueLow === 0xffffffff) return graph.test(high, 'jgt', valueHigh, yes, no);
  const lowTest = graph.test(
    low,
    jump,
    valueLow,
    within(yes, high, valueHigh, valueHigh),
    within(no, high, valueHigh, valueHigh),
  );
  return graph.test(high, 'jgt', valueHigh, yes, graph.test(high, 'jeq', valueHigh, lowTest, no));
}

function lowHalf(value: bigint): number {
  return Number(value & 0xffffffffn);
}

function highHalf(value: bigint): number {
  return Number(value >> 32n);
}
