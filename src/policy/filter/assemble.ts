import { BPF, type Instruction, statement } from './cbpf.ts';
import { PolicyError } from './policy-error.ts';

/** A line of symbolic cBPF: a label, an instruction that goes on with the next line, or a jump to labels. */
export type Line =
  | { readonly kind: 'label'; readonly label: string }
  | { readonly kind: 'statement'; readonly code: number; readonly k: number }
  /** A target that is left out is the next line. */
  | {
      readonly kind: 'branch';
      readonly code: number;
      readonly k: number;
      readonly whenTrue?: string;
      readonly whenFalse?: string;
    }
  | { readonly kind: 'goto'; readonly label: string };

/**
 * Turns symbolic cBPF into instructions; jumps go forward only, as the kernel demands.
 *
 * The offsets of conditional jumps have eight bits. A target that is further away is reached over a copy, where
 * it is a `ret`, or an unconditional jump, which are placed right behind the conditional one and serve every
 * earlier jump in reach. Works at any size; the limit on a filter is not checked here.
 *
 * @throws {PolicyError} if a label is missing, stands before a jump to it, or is given twice, and if the last line goes on.
 */
export function assemble(lines: readonly Line[]): Instruction[] {
  // From the last line to the first, so that the distance to every target is known when its jump is written.
  const program = new BackwardProgram();
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]!;
    switch (line.kind) {
      case 'label':
        program.label(line.label);
        break;
      case 'statement':
        program.statement(line.code, line.k);
        break;
      case 'goto':
        program.goto(line.label);
        break;
      case 'branch':
        program.branch(line.code, line.k, line.whenTrue, line.whenFalse);
        break;
    }
  }
  return program.finish();
}

const FARTHEST = 255;

/** Places are indices into the reversed program: what is further from the end has the higher one. */
interface Target {
  readonly home: number;
  nearest: number;
}

class BackwardProgram {
  readonly #reversed: Instruction[] = [];
  readonly #targets = new Map<string, Target>();

  label(label: string): void {
    if (this.#targets.has(label)) throw new PolicyError(`assembler: label ${label} is given twice`, '');
    const place = this.#next(`label ${label}`);
    this.#targets.set(label, { home: place, nearest: place });
  }

  statement(code: number, k: number): void {
    if ((code & 0x07) !== BPF.RET) this.#next('a statement');
    this.#reversed.push(statement(code, k));
  }

  goto(label: string): void {
    const { home } = this.#target(label);
    if (home === this.#reversed.length - 1) return;
    this.#reversed.push(this.#passage(home));
  }

  branch(code: number, k: number, whenTrue: string | undefined, whenFalse: string | undefined): void {
    // One of the two may be the next line, which a passage that is put in between moves away.
    let next: Target | undefined;
    if (whenTrue === undefined || whenFalse === undefined) {
      const place = this.#next('a branch');
      next = { home: place, nearest: place };
    }
    const yes = whenTrue === undefined ? next! : this.#target(whenTrue);
    const no = whenFalse === undefined ? next! : this.#target(whenFalse);
    while (this.#distance(yes) > FARTHEST || this.#distance(no) > FARTHEST) {
      const far = this.#distance(yes) > FARTHEST ? yes : no;
      this.#reversed.push(this.#passage(far.home));
      far.nearest = this.#reversed.length - 1;
    }
    this.#reversed.push({ code, jt: this.#distance(yes), jf: this.#distance(no), k: k >>> 0 });
  }

  finish(): Instruction[] {
    return this.#reversed.toReversed();
  }

  /** One instruction that does what the one at `home` does: a copy of a `ret`, else a jump to it. */
  #passage(home: number): Instruction {
    const instruction = this.#reversed[home]!;
    if ((instruction.code & 0x07) === BPF.RET) return instruction;
    return statement(BPF.JMP | BPF.JA, this.#reversed.length - home - 1);
  }

  #distance(target: Target): number {
    return this.#reversed.length - target.nearest - 1;
  }

  #target(label: string): Target {
    const target = this.#targets.get(label);
    if (target === undefined) throw new PolicyError(`assembler: no label ${label} behind the jump to it`, '');
    return target;
  }

  #next(what: string): number {
    if (this.#reversed.length === 0) throw new PolicyError(`assembler: nothing follows ${what}`, '');
    return this.#reversed.length - 1;
  }
}
