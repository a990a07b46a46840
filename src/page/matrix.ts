import type { Arch } from '../abi/arch.ts';
import { exposureOf, isDangerous } from '../policy/dangerous.ts';
import { callLabel, sortByLabel, type NamedCall } from '../report/call-names.ts';
import { callNumber } from './use-columns.ts';
import type { DocumentView } from './documents.ts';

/** A phase of a document. */
export interface Column {
  readonly document: number;
  readonly phase: number;
  readonly name: string;
}

/** How a call is in a phase: seen, possible by code, said by another tool, allowed, allowed with conditions. */
export type Mark = 'observed' | 'possible' | 'imported' | 'allowed' | 'conditional';

export interface MatrixRow extends NamedCall {
  readonly label: string;
  /** One for each column; null where the call is not in. */
  readonly marks: readonly (Mark | null)[];
  /** One for each document; null for those that do not have or do not count it. */
  readonly counts: readonly (number | null)[];
  /** Documents that have it. */
  readonly documents: number;
  /** Sum of the counts. */
  readonly count: number;
  readonly risk: Risk;
}

/** `danger`: whatever the arguments; `conditional`: with some. */
export type Risk = 'danger' | 'conditional' | 'none';

export interface Matrix {
  readonly columns: readonly Column[];
  readonly rows: readonly MatrixRow[];
}

/** Calls by documents and phases. */
export function buildMatrix(documents: readonly DocumentView[], native: Arch): Matrix {
  const columns = documents.flatMap((view, document): Column[] =>
    (view.kind === 'profile' ? view.profile : view.policy).phases.map(({ name }, phase) => ({
      document,
      phase,
      name,
    })),
  );
  const rows = new Map<number, DraftRow>();
  const rowOf = (call: NamedCall): DraftRow => {
    const key = callNumber(call);
    let row = rows.get(key);
    if (row === undefined) {
      row = { ...call, marks: columns.map(() => null), counts: documents.map(() => null), in: new Set() };
      rows.set(key, row);
    } else {
      row.name ??= call.name;
    }
    return row;
  };
  let start = 0;
  for (const [document, view] of documents.entries()) {
    if (view.kind === 'profile') {
      for (const call of view.calls) {
        const row = rowOf(call);
        row.in.add(document);
        row.counts[document] = call.count;
        for (const [phase, origin] of call.phases) row.marks[start + phase] = origin;
      }
      start += view.profile.phases.length;
    } else {
      for (const [phase, { calls }] of view.policy.phases.entries()) {
        for (const call of calls) {
          const row = rowOf(call);
          row.in.add(document);
          row.marks[start + phase] = call.args.length > 0 ? 'conditional' : 'allowed';
        }
      }
      start += view.policy.phases.length;
    }
  }
  return { columns, rows: sortByLabel([...rows.values()], native).map((row) => finish(row, native)) };
}

/** What to show of a matrix. */
export interface MatrixFilter {
  /** Part of the name, or of the description if `describe` is given. */
  readonly text: string;
  /** `some`: not in all documents; `one`: in a single one. */
  readonly presence: 'any' | 'all' | 'some' | 'one';
  readonly risk: 'any' | 'danger';
  /** Calls of these numbers only; null for all. */
  readonly only: ReadonlySet<number> | null;
}

export type SortKey = 'name' | 'number' | 'count' | 'documents' | 'risk';

export interface Sorting {
  readonly key: SortKey;
  readonly descending: boolean;
}

/** The rows that fit, sorted; rows that are equal stay in the order of their names. */
export function selectRows(
  rows: readonly MatrixRow[],
  documents: number,
  filter: MatrixFilter,
  sorting: Sorting,
  describe: (name: string) => string | null,
): readonly MatrixRow[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row: MatrixRow): boolean => {
    if (filter.only !== null && !filter.only.has(callNumber(row))) return false;
    if (filter.risk === 'danger' && row.risk === 'none') return false;
    if (filter.presence === 'all' && row.documents < documents) return false;
    if (filter.presence === 'some' && row.documents === documents) return false;
    if (filter.presence === 'one' && row.documents !== 1) return false;
    if (words.length === 0) return true;
    const text = `${row.label} ${(row.name === null ? null : describe(row.name)) ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const sign = sorting.descending ? -1 : 1;
  return rows
    .map((row, place) => ({ row, place }))
    .filter(({ row }) => fits(row))
    .sort(
      (a, b) =>
        sign * (rankOf(a.row, sorting.key, a.place) - rankOf(b.row, sorting.key, b.place)) ||
        a.place - b.place,
    )
    .map(({ row }) => row);
}

interface DraftRow {
  readonly arch: Arch;
  readonly nr: number;
  name: string | null;
  readonly marks: (Mark | null)[];
  readonly counts: (number | null)[];
  readonly in: Set<number>;
}

function finish({ in: documents, ...row }: DraftRow, native: Arch): MatrixRow {
  return {
    ...row,
    label: callLabel(row, native),
    documents: documents.size,
    count: row.counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    risk: riskOf(row.name),
  };
}

function riskOf(name: string | null): Risk {
  if (isDangerous(name)) return 'danger';
  return exposureOf({ name, args: [] }) === null ? 'none' : 'conditional';
}

function rankOf(row: MatrixRow, key: SortKey, place: number): number {
  switch (key) {
    case 'name':
      return place;
    case 'number':
      return row.nr;
    case 'count':
      return row.count;
    case 'documents':
      return row.documents;
    case 'risk':
      return row.risk === 'danger' ? 2 : row.risk === 'conditional' ? 1 : 0;
  }
}
