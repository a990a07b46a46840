import { AUDIT_ARCH, X32_SYSCALL_BIT } from '../../abi/arch.ts';
import { encodeAction, type Action } from './action.ts';
import { decideRules } from './argument-rules.ts';
import { assemble } from './assemble.ts';
import { BPF_MAXINSNS, type Instruction } from './cbpf.ts';
import { DecisionGraph, type Decision } from './decision-graph.ts';
import { MAX_NR, type Filter, type Rule, type Section } from './ir.ts';
import { layOut, reachableTests } from './layout.ts';
import { NumberLine, searchNumber } from './number-search.ts';
import { writePlainProgram } from './plain-program.ts';
import { PolicyError } from './policy-error.ts';
import { WORD } from './seccomp-data.ts';

/** How to compile. */
export interface CompileOptions {
  /** False keeps the order of the rules and shares nothing: longer and slower, easy to read. Default true. */
  readonly optimise?: boolean;
}

/**
 * Compiles a filter to cBPF: first the arch is looked at, then bit 30 on x86-64, then the number is searched for
 * in ranges of numbers that are treated alike, last come the arguments.
 *
 * @throws {PolicyError} if the program is longer than the kernel takes (4096 instructions); the text says which
 * numbers need most of them.
 */
export function compileFilter(filter: Filter, options: CompileOptions = {}): Instruction[] {
  if (options.optimise === false) {
    const plain = assemble(writePlainProgram(filter));
    if (plain.length > BPF_MAXINSNS) {
      const rules = filter.sections.reduce((sum, section) => sum + section.rules.length, 0);
      throw new PolicyError(
        `filter: ${plain.length} instructions without optimisation for ${rules} rules (${BPF_MAXINSNS})`,
        '',
      );
    }
    return plain;
  }
  const graph = new DecisionGraph();
  const blocks: Block[] = [];
  const program = assemble(layOut(decideFilter(graph, filter, blocks)));
  if (program.length > BPF_MAXINSNS) throw tooLong(program.length, blocks);
  return program;
}

const NUMBERS = 2 ** 32;

/** The decision for one number with conditions, kept to say what makes a program long. */
interface Block {
  readonly section: Section;
  readonly nr: number;
  readonly rules: number;
  readonly decision: Decision;
}

function decideFilter(graph: DecisionGraph, filter: Filter, blocks: Block[]): Decision {
  const act = (action: Action): Decision => graph.return(encodeAction(action));
  let decision = act(filter.mismatch);
  const arches = [...new Set(filter.sections.map((section) => AUDIT_ARCH[section.arch]))];
  for (const arch of arches.toReversed()) {
    const sections = filter.sections.filter((section) => AUDIT_ARCH[section.arch] === arch);
    const native = sections.find((section) => section.arch !== 'x32');
    const x32 = sections.find((section) => section.arch === 'x32');
    const low = new NumberLine();
    if (native === undefined) low.append(0, act(filter.foreign));
    else appendSection(graph, low, native, 0, blocks);
    // Only x86-64 has two ABIs under one arch; elsewhere bit 30 is a number like any other that is too high.
    const high = arch === AUDIT_ARCH.x86_64 ? new NumberLine() : low;
    if (x32 !== undefined) appendSection(graph, high, x32, X32_SYSCALL_BIT, blocks);
    else high.append(X32_SYSCALL_BIT, act(high === low ? native!.newer : filter.foreign));
    // Negative as an int: no number of x32 for the kernel.
    high.append(0x80000000, native === undefined ? act(filter.foreign) : act(native.newer));
    high.append(0xffffffff, act(filter.skipped));
    let search = searchNumber(graph, low.ranges, high === low ? NUMBERS : X32_SYSCALL_BIT);
    if (high !== low) {
      search = graph.test(WORD.nr, 'jge', X32_SYSCALL_BIT, searchNumber(graph, high.ranges, NUMBERS), search);
    }
    decision = graph.test(WORD.arch, 'jeq', arch, search, decision);
  }
  return decision;
}

function appendSection(
  graph: DecisionGraph,
  line: NumberLine,
  section: Section,
  base: number,
  blocks: Block[],
): void {
  const byNumber = new Map<number, Rule[]>();
  for (const rule of section.rules) {
    const rules = byNumber.get(rule.nr);
    if (rules === undefined) byNumber.set(rule.nr, [rule]);
    else rules.push(rule);
  }
  const known = graph.return(encodeAction(section.default));
  const newer = graph.return(encodeAction(section.newer));
  const unlisted = (nr: number): Decision => (nr > section.newestKnown ? newer : known);
  line.append(base, known);
  let newerAppended = section.newestKnown === MAX_NR;
  for (const nr of [...byNumber.keys()].sort((a, b) => a - b)) {
    if (!newerAppended && nr > section.newestKnown) {
      line.append(base + section.newestKnown + 1, newer);
      newerAppended = true;
    }
    const rules = byNumber.get(nr)!;
    const decision = decideRules(graph, rules, unlisted(nr));
    if (decision.kind === 'test') blocks.push({ section, nr, rules: rules.length, decision });
    line.append(base + nr, decision);
    if (nr < MAX_NR) line.append(base + nr + 1, unlisted(nr + 1));
  }
  if (!newerAppended) line.append(base + section.newestKnown + 1, newer);
}

const CULPRITS_NAMED = 3;

function tooLong(length: number, blocks: readonly Block[]): PolicyError {
  const culprits = blocks
    .map((block) => ({ block, tests: reachableTests(block.decision).length }))
    .sort((a, b) => b.tests - a.tests)
    .slice(0, CULPRITS_NAMED)
    .map(
      ({ block, tests }) => `${block.section.arch} ${block.nr} with ${block.rules} rules in ${tests} tests`,
    );
  const most = culprits.length === 0 ? ' to tell the numbers apart' : `, most for ${culprits.join(', ')}`;
  return new PolicyError(`filter: ${length} instructions${most} (${BPF_MAXINSNS})`, '');
}
