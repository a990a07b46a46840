import type { Arch } from '../abi/arch.ts';
import type { CellState, ComparedCall, ComparedSet, ComparedSource, Comparison } from '../compare/source.ts';
import { setLabel } from './compare-words.ts';
import { escapeJson } from './escape.ts';

/** Value of `format` in every comparison. */
const COMPARISON_FORMAT = 'callgate-comparison';

/** What `callgate compare --format json` prints: fields may be added to it, none goes away or changes its meaning. */
export interface ComparisonDocument {
  readonly format: typeof COMPARISON_FORMAT;
  readonly version: 1;
  /** What was asked for; null where nothing was. */
  readonly filter: { readonly phase: string | null; readonly program: string | null };
  /** Arch of the first source. */
  readonly native: Arch;
  readonly arches: readonly Arch[];
  readonly sources: readonly ComparedSource[];
  readonly reference: { readonly labels: readonly string[]; readonly size: number } | null;
  readonly sets: readonly (ComparedSet & { readonly label: string })[];
  /** The matrix: `cells` in the order of `sets`. */
  readonly calls: readonly (ComparedCall & {
    readonly sources: number;
    readonly reference: boolean | null;
    readonly cells: readonly CellState[];
  })[];
}

/** A comparison as a document for other programs. */
export function formatComparisonJson(
  comparison: Comparison,
  filter: { readonly phase?: string; readonly program?: string } = {},
): string {
  const document: ComparisonDocument = {
    format: COMPARISON_FORMAT,
    version: 1,
    filter: { phase: filter.phase ?? null, program: filter.program ?? null },
    native: comparison.native,
    arches: comparison.arches,
    sources: comparison.sources,
    reference: comparison.reference,
    sets: comparison.sets.map((set) => ({ ...set, label: setLabel(comparison, set) })),
    calls: comparison.rows.map(({ arch, nr, name, count, inReference, cells }) => ({
      arch,
      nr,
      name,
      sources: count,
      reference: inReference,
      cells,
    })),
  };
  return `${escapeJson(JSON.stringify(document, null, 2))}\n`;
}
