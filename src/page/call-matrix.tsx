import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import { describeSyscall } from '../abi/syscall-descriptions.ts';
import { escapeText } from '../report/escape.ts';
import type { DocumentView } from './documents.ts';
import {
  buildMatrix,
  selectRows,
  type Column,
  type Mark,
  type Matrix,
  type MatrixFilter,
  type MatrixRow,
  type SortKey,
  type Sorting,
} from './matrix.ts';
import { CallLink, counted, grouped } from './words.tsx';

/** A choice of calls that was made elsewhere, such as those of a process. */
export interface Narrowing {
  readonly words: string;
  /** `callNumber` of each. */
  readonly calls: ReadonlySet<number>;
}

const NO_FILTER: MatrixFilter = { text: '', presence: 'any', risk: 'any', only: null };

const MARKS: Readonly<Record<Mark, string>> = {
  observed: 'seen',
  possible: 'possible by its code',
  imported: 'said by another tool',
  allowed: 'allowed',
  conditional: 'allowed with some arguments',
};

/** Rows that are built at first: more than a screen holds. */
const FIRST_ROWS = 60;

/** Documents up to which descriptions have room beside the marks. */
const DESCRIBED = 2;

/** All calls by documents and phases, to be filtered and sorted. */
export function CallMatrix(props: {
  readonly documents: readonly DocumentView[];
  readonly narrowing: Narrowing | null;
  readonly onNarrow: (narrowing: Narrowing | null) => void;
  /** False while the page is being built: the first rows will do. */
  readonly isWhole: boolean;
}): VNode {
  const { documents, narrowing, onNarrow, isWhole } = props;
  const matrix = useMemo(() => buildMatrix(documents, documents[0]?.native ?? 'x86_64'), [documents]);
  const [filter, setFilter] = useState<MatrixFilter>(NO_FILTER);
  const [sorting, setSorting] = useState<Sorting>({ key: 'name', descending: false });
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (narrowing !== null) section.current?.scrollIntoView({ block: 'start' });
  }, [narrowing]);
  const rows = useMemo(
    () =>
      selectRows(
        matrix.rows,
        documents.length,
        { ...filter, only: narrowing?.calls ?? null },
        sorting,
        describeSyscall,
      ),
    [matrix, documents, filter, sorting, narrowing],
  );
  const change = (part: Partial<MatrixFilter>): void => setFilter({ ...filter, ...part });
  const isFiltered = narrowing !== null || filter !== NO_FILTER;
  return (
    <section id="calls" aria-labelledby="calls-title" ref={section}>
      <div class="section-head">
        <h2 id="calls-title">Calls</h2>
        <div class="tools">
          <label class="field">
            <span>Filter</span>
            <input
              type="search"
              value={filter.text}
              placeholder="name or purpose"
              onInput={(event) => change({ text: event.currentTarget.value })}
            />
          </label>
          {documents.length > 1 && (
            <label class="field">
              <span>In</span>
              <select
                value={filter.presence}
                onChange={(event) =>
                  change({ presence: event.currentTarget.value as MatrixFilter['presence'] })
                }
              >
                <option value="any">any document</option>
                <option value="all">all documents</option>
                <option value="some">not all documents</option>
                <option value="one">one document only</option>
              </select>
            </label>
          )}
          <label class="field">
            <span>Risk</span>
            <select
              value={filter.risk}
              onChange={(event) => change({ risk: event.currentTarget.value as MatrixFilter['risk'] })}
            >
              <option value="any">any</option>
              <option value="danger">dangerous</option>
            </select>
          </label>
          {isFiltered && (
            <button
              type="button"
              onClick={() => {
                setFilter(NO_FILTER);
                onNarrow(null);
              }}
            >
              Show all
            </button>
          )}
        </div>
      </div>
      <p class="legend">
        <span role="status">
          {rows.length === matrix.rows.length
            ? counted(rows.length, 'call')
            : `${rows.length} of ${counted(matrix.rows.length, 'call')}`}
          {narrowing === null ? '' : ` of ${narrowing.words}`}
        </span>
        {marksOf(matrix).map((mark) => (
          <span key={mark}>
            <i class={`cell is-${mark}`} />
            {MARKS[mark]}
          </span>
        ))}
        <span>
          <i class="risk is-danger" /> dangerous
        </span>
        <span>
          <i class="risk is-conditional" /> with some arguments
        </span>
      </p>
      <Table
        matrix={matrix}
        documents={documents}
        rows={isWhole ? rows : rows.slice(0, FIRST_ROWS)}
        sorting={sorting}
        onSort={setSorting}
      />
      {rows.length === 0 && <p class="muted">No call fits.</p>}
    </section>
  );
}

function Table(props: {
  readonly matrix: Matrix;
  readonly documents: readonly DocumentView[];
  readonly rows: readonly MatrixRow[];
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}): VNode {
  const { matrix, documents, rows, sorting, onSort } = props;
  const { columns } = matrix;
  const isDescribed = documents.length <= DESCRIBED;
  const isPhased = columns.length > documents.length;
  const isCounted = documents.some(({ kind }) => kind === 'profile');
  const rowSpan = isPhased ? 2 : 1;
  // A document of one phase has no setup: its marks have the colour of what is used at all.
  const colours = useMemo(
    () =>
      columns.map(({ document, phase }) =>
        columns.some((other) => other.document === document && other.phase > 0) ? phase % 6 : 1,
      ),
    [columns],
  );
  const body = useMemo(
    () =>
      rows.map((row) => (
        <tr key={row.label}>
          <th scope="row">
            <CallLink label={row.label} />
          </th>
          <td class="risk-cell">
            {row.risk !== 'none' && (
              <i
                class={`risk is-${row.risk}`}
                title={row.risk === 'danger' ? 'dangerous' : 'dangerous with some arguments'}
              />
            )}
            {row.risk !== 'none' && (
              <span class="hidden">
                {row.risk === 'danger' ? 'dangerous' : 'dangerous with some arguments'}
              </span>
            )}
          </td>
          {isDescribed && (
            <td class="purpose">{(row.name === null ? null : describeSyscall(row.name)) ?? ''}</td>
          )}
          {row.marks.map((mark, index) => (
            <td key={index} class={isFirstOf(columns, index) ? 'mark-cell is-first' : 'mark-cell'}>
              {mark !== null && (
                <>
                  <i class={`cell is-${mark} phase-${colours[index] ?? 1}`} />
                  <span class="hidden">{MARKS[mark]}</span>
                </>
              )}
            </td>
          ))}
          {documents.length > 1 && <td class="number">{row.documents}</td>}
          {isCounted && <td class="number muted">{row.count === 0 ? '' : grouped(row.count)}</td>}
          <td class="number muted">{row.nr}</td>
        </tr>
      )),
    [rows, columns, colours, documents, isDescribed, isCounted],
  );
  const head = (key: SortKey, text: string, className = ''): VNode => (
    <SortHead
      sortKey={key}
      text={text}
      className={className}
      rowSpan={rowSpan}
      sorting={sorting}
      onSort={onSort}
    />
  );
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Calls by documents and phases">
      <table class={`matrix ${documents.length > 3 ? 'is-wide' : ''}`}>
        <thead>
          <tr>
            {head('name', 'Call')}
            {head('risk', 'Risk', 'risk-cell')}
            {isDescribed && (
              <th scope="col" class="purpose" rowSpan={rowSpan}>
                What it does
              </th>
            )}
            {documents.map((view, document) => {
              const own = columns.filter((column) => column.document === document).length;
              return (
                <th
                  key={document}
                  scope="colgroup"
                  class="document"
                  colSpan={own}
                  {...(own === 1 ? { rowSpan } : {})}
                  title={view.label}
                >
                  <span>{documents.length === 1 && !isPhased ? 'Used' : view.label}</span>
                </th>
              );
            })}
            {documents.length > 1 && head('documents', 'In', 'number')}
            {isCounted && head('count', 'Uses', 'number')}
            {head('number', 'Nr', 'number')}
          </tr>
          {isPhased && (
            <tr>
              {columns.map(({ name, document }, index) =>
                columns.filter((column) => column.document === document).length === 1 ? null : (
                  <th
                    key={index}
                    scope="col"
                    class={isFirstOf(columns, index) ? 'phase-head is-first' : 'phase-head'}
                  >
                    {escapeText(name)}
                  </th>
                ),
              )}
            </tr>
          )}
        </thead>
        <tbody>{body}</tbody>
      </table>
    </div>
  );
}

function SortHead(props: {
  readonly sortKey: SortKey;
  readonly text: string;
  readonly className: string;
  readonly rowSpan: number;
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}): VNode {
  const { sortKey, text, className, rowSpan, sorting, onSort } = props;
  const isActive = sorting.key === sortKey;
  // Names and numbers are looked for from the front, amounts from the top.
  const first = sortKey !== 'name' && sortKey !== 'number';
  return (
    <th
      scope="col"
      class={className}
      rowSpan={rowSpan}
      aria-sort={isActive ? (sorting.descending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        class="sort"
        onClick={() => onSort({ key: sortKey, descending: isActive ? !sorting.descending : first })}
      >
        {text}
        <span aria-hidden="true" class="direction">
          {isActive ? (sorting.descending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

function isFirstOf(columns: readonly Column[], index: number): boolean {
  return columns[index - 1]?.document !== columns[index]?.document;
}

function marksOf({ rows }: Matrix): readonly Mark[] {
  const used = new Set(rows.flatMap(({ marks }) => marks));
  return (Object.keys(MARKS) as Mark[]).filter((mark) => used.has(mark));
}
