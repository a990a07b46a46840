import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscalls } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import { callKey, compareLabels } from '../policy/call-label.ts';
import { extractSources, uniteTables, type CallTable, type ExtractedSource } from './extract.ts';
import type {
  Accuracy,
  CellState,
  ComparedCall,
  ComparedRow,
  ComparedSet,
  Comparison,
  ComparisonInput,
  SetShare,
} from './source.ts';

/** Orders of rows: by name, by arch and number, or by how many sources have the call, most first. */
export type RowOrder = 'name' | 'nr' | 'count';

export interface CompareOptions {
  /** What is taken for true: their sets together. Of a profile with several origins only what was observed counts. */
  readonly references?: readonly ComparisonInput[];
  /** Only this phase; a source without phases stands for every phase, as nothing says when its calls are made. */
  readonly phase?: string;
  /** Only sets of this program: its path, or the last part of it. */
  readonly program?: string;
  readonly sort?: RowOrder;
  /** Leave out rows in which all sets, and the reference, agree. */
  readonly onlyDifferences?: boolean;
}

/**
 * Puts sets of calls side by side: for each source the set as a whole and, if it has several phases, one for each.
 *
 * The execve by which a tracer starts the program counts neither as in a set nor as missed.
 *
 * @throws UsageError if there is nothing to compare, two labels are alike, or a source has no such program or phase
 */
export function compareSources(inputs: readonly ComparisonInput[], options: CompareOptions = {}): Comparison {
  if (inputs.length === 0) throw new UsageError('compare: needs a file, got none');
  requireUniqueLabels(inputs);
  const sources = inputs.flatMap((input) => extractSources(input, options.program));
  const references = (options.references ?? []).map((input) => extractSources(input, options.program)[0]!);
  const native = sources[0]!.native;
  const columns = sources.flatMap((source, index) => columnsOf(source, index, options.phase));
  // What a source has in all that is shown of it; the first of its columns is the widest.
  const mains = sources.map((_, index) => columns.find((column) => column.source === index)!.calls);
  const reference =
    references.length === 0 ? null : uniteTables(references.map((each) => phaseOr(each, options.phase)));
  const tables = [...columns.map(({ calls }) => calls), ...(reference === null ? [] : [reference])];
  const union = uniteTables(tables);
  const arches = ARCHES.filter(
    (arch) => arch === native || [...union.values()].some((call) => call.arch === arch),
  );
  arches.sort((a, b) => Number(b === native) - Number(a === native));
  const rows = [...union]
    .map(([key, call]) => toRow(key, call, columns, mains, reference))
    .sort(orderOf(options.sort ?? 'name', arches));
  return {
    native,
    arches,
    sources: sources.map(({ source }) => source),
    reference:
      reference === null
        ? null
        : { labels: references.map(({ source }) => source.label), size: sizeOf(reference) },
    sets: columns.map((column, at): ComparedSet => {
      const extracted = sources[column.source]!;
      return {
        source: column.source,
        phase: column.phase,
        size: sizeOf(column.calls),
        arches: arches.map((arch) => shareOf(extracted, column.calls, arch)),
        only: rows.filter(({ cells }) => cells[at] === 'only').length,
        accuracy:
          references.length === 0
            ? null
            : measureAccuracy(
                column.calls,
                uniteTables(references.map((each) => phaseOr(each, column.phase ?? options.phase))),
                arches,
              ),
      };
    }),
    rows: options.onlyDifferences === true ? rows.filter(isDifference) : rows,
  };
}

/** A set that is shown. */
interface SetColumn {
  readonly source: number;
  readonly phase: string | null;
  readonly calls: CallTable;
}

function columnsOf(
  extracted: ExtractedSource,
  source: number,
  wanted: string | undefined,
): readonly SetColumn[] {
  const { phases, whole } = extracted;
  if (wanted === undefined) {
    const each = phases.map(({ name, calls }) => ({ source, phase: name, calls }));
    return [{ source, phase: null, calls: whole }, ...(phases.length > 1 ? each : [])];
  }
  if (phases.length === 1) return [{ source, phase: null, calls: whole }];
  const found = phases.find(({ name }) => name === wanted);
  if (found !== undefined) return [{ source, phase: found.name, calls: found.calls }];
  const names = phases.map(({ name }) => name).join(', ');
  throw new UsageError(
    `${extracted.source.label}: no such phase, ${JSON.stringify(wanted)} (it has ${names})`,
  );
}

/** The set of a phase, or the whole where the source does not have the phase. */
function phaseOr({ phases, whole }: ExtractedSource, phase: string | null | undefined): CallTable {
  return phases.length === 1 ? whole : (phases.find(({ name }) => name === phase)?.calls ?? whole);
}

function toRow(
  key: string,
  { arch, nr, name }: ComparedCall,
  columns: readonly SetColumn[],
  mains: readonly CallTable[],
  reference: CallTable | null,
): ComparedRow {
  const count = mains.filter((calls) => calls.get(key)?.isLaunch === false).length;
  const entry = reference?.get(key);
  return {
    arch,
    nr,
    name,
    cells: columns.map(({ calls }): CellState => {
      const call = calls.get(key);
      if (call === undefined) return 'out';
      if (call.isLaunch) return 'launch';
      return count === 1 && mains.length > 1 ? 'only' : 'in';
    }),
    count,
    inReference: reference === null || entry?.isLaunch === true ? null : entry !== undefined,
  };
}

function isDifference({ cells, inReference }: ComparedRow): boolean {
  const states = [
    ...cells.map((cell) => cell === 'in' || cell === 'only'),
    ...(inReference === null ? [] : [inReference]),
  ];
  return new Set(states).size > 1;
}

function orderOf(order: RowOrder, arches: readonly Arch[]): (a: ComparedRow, b: ComparedRow) => number {
  const byName = (a: ComparedRow, b: ComparedRow): number => compareLabels(a, b, arches);
  switch (order) {
    case 'name':
      return byName;
    case 'nr':
      return (a, b) => arches.indexOf(a.arch) - arches.indexOf(b.arch) || a.nr - b.nr;
    case 'count':
      return (a, b) => b.count - a.count || byName(a, b);
  }
}

function sizeOf(calls: CallTable): number {
  return [...calls.values()].filter(({ isLaunch }) => !isLaunch).length;
}

function shareOf({ source, newest }: ExtractedSource, calls: CallTable, arch: Arch): SetShare {
  const limit = newest.get(arch) ?? Infinity;
  const existing = syscalls(arch).filter(({ nr, since }) => since !== null && nr <= limit);
  const allowed = existing.filter(({ nr }) => calls.get(callKey({ arch, nr }))?.isLaunch === false).length;
  const blocks = source.onViolation !== 'log';
  return { arch, total: existing.length, allowed, blocked: blocks ? existing.length - allowed : 0 };
}

function measureAccuracy(calls: CallTable, reference: CallTable, arches: readonly Arch[]): Accuracy {
  const isCounted = (key: string): boolean => reference.get(key)?.isLaunch !== true;
  // A policy for several arches is not the less exact for those that the program was not seen to use.
  const known = new Set([...reference.values()].map(({ arch }) => arch));
  const own = [...calls].filter(
    ([key, { isLaunch, arch }]) => !isLaunch && isCounted(key) && (known.size === 0 || known.has(arch)),
  );
  const wanted = [...reference].filter(([key]) => isCounted(key));
  const has = (key: string): boolean => calls.get(key)?.isLaunch === false;
  const missed = wanted.filter(([key]) => !has(key));
  const extra = own.filter(([key]) => !reference.has(key));
  const hits = own.length - extra.length;
  const precision = own.length === 0 ? null : hits / own.length;
  const recall = wanted.length === 0 ? null : hits / wanted.length;
  return {
    reference: wanted.length,
    hits,
    precision,
    recall,
    f1:
      precision === null || recall === null
        ? null
        : hits === 0
          ? 0
          : (2 * precision * recall) / (precision + recall),
    missed: listCalls(missed, arches),
    extra: listCalls(extra, arches),
  };
}

function listCalls(
  entries: readonly (readonly [string, ComparedCall])[],
  arches: readonly Arch[],
): readonly ComparedCall[] {
  return entries
    .map(([, { arch, nr, name }]) => ({ arch, nr, name }))
    .sort((a, b) => compareLabels(a, b, arches));
}

function requireUniqueLabels(inputs: readonly ComparisonInput[]): void {
  const labels = new Set<string>();
  for (const { label } of inputs) {
    if (labels.has(label)) throw new UsageError(`compare: two files have the label ${JSON.stringify(label)}`);
    labels.add(label);
  }
}
