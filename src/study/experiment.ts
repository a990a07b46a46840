import type { OtherGroup } from './others.ts';
import type { CaseKind } from './workload/model.ts';

/** An experiment: which methods are tried on which programs, how often, and what is to be read off. docs/study-format.md describes it. */
export interface Experiment {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** How often each method is run on each program, unless it has its own number. */
  readonly repetitions: number;
  readonly programs: readonly StudiedProgram[];
  readonly methods: readonly MethodSpec[];
  /** Name of the method whose observed calls, all repetitions together, are taken for what the program needs. */
  readonly reference: string;
  readonly comparisons: readonly PublishedComparison[];
  /** What other tools say of the same programs. */
  readonly others: readonly OtherGroup[];
}

export interface StudiedProgram {
  /** Name of a workload; what the program is called in tables. */
  readonly name: string;
  /** Path of the workload document. */
  readonly workload: string;
}

/** Which cases of a workload are run. */
export type CaseChoice = CaseKind | 'all';

/** One way to find out what a program needs. `kind` names the file in `methods/` that knows how it is done. */
export type MethodSpec =
  | (MethodBase & { readonly kind: 'untraced'; readonly cases: CaseChoice })
  | (MethodBase & { readonly kind: 'trace'; readonly cases: CaseChoice; readonly options: readonly string[] })
  | (MethodBase & { readonly kind: 'analyze'; readonly options: readonly string[] })
  /** A tool of somebody else that reads the program's file; `command` is a shell command. */
  | (MethodBase & { readonly kind: 'command'; readonly command: string; readonly importer: string })
  /** A tool of somebody else that starts the program; `wrapper` are the words before the program's own. */
  | (MethodBase & {
      readonly kind: 'wrapper';
      readonly cases: CaseChoice;
      readonly wrapper: readonly string[];
      readonly importer: string;
    });

interface MethodBase {
  readonly name: string;
  readonly title: string;
  /** How often it is run on each program, if not as often as the others: what takes long. */
  readonly repetitions?: number;
  /** Commands that somebody types to have the tool, the distribution being there; counted as effort. */
  readonly setup: readonly string[];
  /** Commands that must be found; without one the method is left out, and the tables say so. */
  readonly needs: readonly string[];
}

/** What can be measured of a method on a program. */
export type Measure = 'allowed' | 'blocked' | 'wall' | 'cpu' | 'peak' | 'recall' | 'precision' | 'setup';

/** A side of a comparison: a method, and which of its sets. */
export interface ComparedSide {
  readonly method: string;
  /** `last`: what the last phase allows; `whole` otherwise. */
  readonly phase: 'whole' | 'last';
}

/** A figure that somebody published, and how ours is computed. */
export interface PublishedComparison {
  readonly name: string;
  /** What was found, in words. */
  readonly claim: string;
  readonly source: string;
  /** Null if no figure was given, only a ranking. */
  readonly published: number | null;
  readonly unit: string;
  readonly measure: Measure;
  readonly left: ComparedSide;
  readonly right: ComparedSide;
  /** left - right, left / right, or the difference in percent of right. */
  readonly as: 'difference' | 'ratio' | 'percent';
  /** Programs it is computed over; all of the experiment if empty. */
  readonly programs: readonly string[];
  /** Why the figures may differ. */
  readonly remark: string;
}
