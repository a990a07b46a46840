import { useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, VNode } from 'preact';
import type { Profile } from '../profile/model.ts';
import { mainTimes, type Split } from '../profile/recut.ts';
import { escapeText } from '../report/escape.ts';
import { callNumber } from './use-columns.ts';
import type { Narrowing } from './call-matrix.tsx';
import type { ProfileView } from './documents.ts';
import { describeRow } from './process-line.tsx';
import {
  closableKeys,
  collectLives,
  endOf,
  hasRowsBelow,
  visibleRows,
  type Life,
  type ProcessRow,
} from './process-rows.ts';
import { ScaleAxis, ScaleChoice, ScaleLines } from './scale-axis.tsx';
import { timeScale, type ScaleKind, type TimeScale } from './time-scale.ts';
import { useRowWindow } from './row-window.ts';
import { counted, programName } from './words.tsx';

/** Height of a line, as in the style. */
const ROW_HEIGHT = 24;

/** The process tree over time: one line a process or thread, coloured by phase. */
export function ProcessChart(props: {
  readonly view: ProfileView;
  readonly split: Split | null;
  readonly scaleKind: ScaleKind;
  readonly onScale: (kind: ScaleKind) => void;
  readonly onNarrow: (narrowing: Narrowing) => void;
  readonly picker: ComponentChildren;
}): VNode {
  const { view, split, scaleKind, onScale, onNarrow, picker } = props;
  const { profile } = view;
  const lives = useMemo(() => collectLives(profile), [profile]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => visibleRows(profile, lives, closed), [profile, lives, closed]);
  const scale = useMemo(() => timeScale(scaleKind, lastMoment(profile)), [scaleKind, profile]);
  const switches = useMemo(
    () => (split === null || profile.phases.length > 2 ? null : mainTimes(profile, split.times)),
    [profile, split],
  );
  const [active, setActive] = useState(0);
  const holder = useRef<HTMLDivElement>(null);
  const { first, count, show } = useRowWindow(holder, rows.length, ROW_HEIGHT);
  // The line that Tab leads to must be one that is drawn.
  const stop = active >= first && active < first + count ? active : first;
  const names = switches === null ? profile.phases.map(({ name }) => name) : ['setup', 'main'];

  const toggle = (row: ProcessRow): void => {
    const next = new Set(closed);
    if (!next.delete(row.key)) next.add(row.key);
    setClosed(next);
  };
  const goTo = (index: number): void => {
    const place = Math.min(rows.length - 1, Math.max(0, index));
    setActive(place);
    show(place);
    requestAnimationFrame(() =>
      holder.current?.querySelector<HTMLElement>(`[data-place="${place}"]`)?.focus({ preventScroll: true }),
    );
  };
  const onKey = (event: KeyboardEvent): void => {
    const row = rows[active];
    if (row === undefined) return;
    const isOpen = !closed.has(row.key);
    const canClose = hasRowsBelow(profile, row);
    const parent = rows.findLastIndex(({ level }, index) => index < active && level < row.level);
    const page = Math.max(1, Math.floor((holder.current?.clientHeight ?? 0) / ROW_HEIGHT) - 1);
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => goTo(active + 1),
      ArrowUp: () => goTo(active - 1),
      PageDown: () => goTo(active + page),
      PageUp: () => goTo(active - page),
      Home: () => goTo(0),
      End: () => goTo(rows.length - 1),
      ArrowRight: () => (canClose && !isOpen ? toggle(row) : goTo(active + 1)),
      ArrowLeft: () => (canClose && isOpen ? toggle(row) : parent >= 0 ? goTo(parent) : undefined),
      Enter: () => narrow(row),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };
  const narrow = (row: ProcessRow): void => {
    if (row.kind !== 'life') return;
    onNarrow({
      words: `pid ${pidOf(profile, row.life)} ${programName(profile, row.life.entries.at(-1) ?? row.life.id)}`,
      calls: new Set(
        row.life.entries.flatMap((index) => (profile.processes[index]?.calls ?? []).map(callNumber)),
      ),
    });
  };

  return (
    <section id="processes" aria-labelledby="processes-title">
      <div class="section-head">
        <h2 id="processes-title">Processes over time</h2>
        <div class="tools">
          {picker}
          <ScaleChoice label="Time of processes" kind={scaleKind} onChange={onScale} />
          <button type="button" onClick={() => setClosed(new Set())}>
            Open all
          </button>
          <button type="button" onClick={() => setClosed(closableKeys(profile, lives))}>
            Close all
          </button>
        </div>
      </div>
      <Legend names={names} count={rows.length} />
      <div
        class="tree"
        role="treegrid"
        aria-label="Processes and threads with their calls, start, time and phases"
        aria-rowcount={rows.length + 1}
        onKeyDown={onKey}
      >
        <div class="tree-head" role="row" aria-rowindex={1}>
          <span role="columnheader">Process</span>
          <span role="columnheader" class="number">
            Calls
          </span>
          <span role="columnheader" class="number">
            Start
          </span>
          <span role="columnheader" class="number">
            Lasts
          </span>
          <span role="columnheader" class="track">
            <span class="hidden">Time</span>
            <ScaleAxis scale={scale} />
          </span>
        </div>
        <div class="tree-body" ref={holder} role="rowgroup">
          <div class="tree-all" role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
            {rows.slice(first, first + count).map((row, place) => (
              <Row
                key={row.key}
                view={view}
                row={row}
                place={first + place}
                isActive={first + place === stop}
                isClosed={closed.has(row.key)}
                scale={scale}
                switches={switches}
                phaseNames={names}
                onToggle={() => toggle(row)}
                onFocus={() => setActive(first + place)}
                onNarrow={() => narrow(row)}
              />
            ))}
          </div>
        </div>
      </div>
      {rows.length === 0 && <p class="muted">No process was seen.</p>}
    </section>
  );
}

function Row(props: {
  readonly view: ProfileView;
  readonly row: ProcessRow;
  readonly place: number;
  readonly isActive: boolean;
  readonly isClosed: boolean;
  readonly scale: TimeScale;
  readonly switches: readonly number[] | null;
  readonly phaseNames: readonly string[];
  readonly onToggle: () => void;
  readonly onFocus: () => void;
  readonly onNarrow: () => void;
}): VNode {
  const { view, row, place, isActive, isClosed, scale, switches, phaseNames } = props;
  const { profile } = view;
  const canClose = hasRowsBelow(profile, row);
  const line = describeRow(profile, row, switches, phaseNames, scale);
  return (
    <div
      class={`tree-row is-${row.kind}`}
      role="row"
      data-place={place}
      tabIndex={isActive ? 0 : -1}
      aria-rowindex={place + 2}
      aria-level={row.level}
      {...(canClose ? { 'aria-expanded': !isClosed } : {})}
      onFocus={props.onFocus}
      style={{ top: `${place * ROW_HEIGHT}px` }}
    >
      <span
        role="rowheader"
        class="who"
        style={{ paddingInlineStart: `${(row.level - 1) * 14}px` }}
        title={line.title}
      >
        <span
          class={canClose ? `twist ${isClosed ? 'is-closed' : ''}` : 'twist is-leaf'}
          aria-hidden="true"
          onClick={canClose ? props.onToggle : undefined}
        />
        <b>{line.name}</b> <span class="muted">{line.detail}</span>
      </span>
      <span role="gridcell" class="number">
        {row.kind === 'life' ? (
          <button
            type="button"
            class="plain"
            tabIndex={-1}
            onClick={props.onNarrow}
            title="Show these calls only"
          >
            {line.calls}
          </button>
        ) : (
          line.calls
        )}
      </span>
      <span role="gridcell" class="number muted">
        {line.start}
      </span>
      <span role="gridcell" class="number muted">
        {line.lasting}
      </span>
      <span role="gridcell" class="track" aria-label={line.words}>
        {row.kind !== 'run' && <ScaleLines scale={scale} />}
        {line.bars}
      </span>
    </div>
  );
}

function Legend({ names, count }: { readonly names: readonly string[]; readonly count: number }): VNode {
  return (
    <p class="legend">
      {names.length > 1 &&
        names.map((name, phase) => (
          <span key={name}>
            <i class={`swatch phase-${phase % 6}`} />
            {escapeText(name)}
          </span>
        ))}
      <span>
        <i class="swatch is-thread" />
        thread
      </span>
      <span>
        <i class="swatch is-listen" />
        begins to listen
      </span>
      <span class="muted">
        {counted(count, 'line')}. Arrow keys move, open and close; Enter shows the calls of a process.
      </span>
    </p>
  );
}

function pidOf(profile: Profile, life: Life): number {
  return profile.processes[life.id]?.pid ?? 0;
}

/** Runs have a clock each, all from 0. */
function lastMoment(profile: Profile): number {
  const ends = profile.processes.map((process) => endOf(profile, process));
  return [...profile.runs.map(({ duration }) => duration), ...ends].reduce((a, b) => Math.max(a, b), 0);
}
