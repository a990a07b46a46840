import { useMemo, useState } from 'preact/hooks';
import { Component, type ComponentChildren, type VNode } from 'preact';
import { formatDuration } from '../base/duration.ts';
import type { Profile } from '../profile/model.ts';
import type { Split } from '../profile/recut.ts';
import { escapeText } from '../report/escape.ts';
import { BlockedCurve } from './blocked-curve.tsx';
import type { CallUses } from './call-uses.ts';
import type { ProfileView } from './documents.ts';
import { ScaleAxis, ScaleChoice, ScaleLines } from './scale-axis.tsx';
import { SplitHandle } from './split-handle.tsx';
import { splitter, type SplitOutcome } from './split-outcome.ts';
import { timeScale, type ScaleKind, type TimeScale } from './time-scale.ts';
import { CallLink, counted, grouped } from './words.tsx';

type Order = 'last' | 'first' | 'name';

/** First and last use of each call, with the split between setup and main as a handle. */
export function PhaseChart(props: {
  readonly view: ProfileView;
  readonly split: Split | null;
  readonly onSplit: (split: Split | null) => void;
  readonly scaleKind: ScaleKind;
  readonly onScale: (kind: ScaleKind) => void;
  readonly picker: ComponentChildren;
}): VNode {
  const { view, split, onSplit, scaleKind, onScale, picker } = props;
  const { profile, uses, calls, splits } = view;
  const [order, setOrder] = useState<Order>('last');
  const evaluate = useMemo(() => splitter(profile, uses, calls), [profile, uses, calls]);
  const outcome = useMemo(() => evaluate(split?.times ?? new Map()), [evaluate, split]);
  const duration = longestRun(profile);
  const scale = useMemo(() => timeScale(scaleKind, duration), [scaleKind, duration]);
  const timed = useMemo(() => sortCalls(calls, order), [calls, order]);
  const lacking = calls.filter(({ first, launch }) => first === null && !launch).length;
  const options = useMemo(
    () => splits.map((option) => ({ option, blocked: evaluate(option.times).blocked })),
    [splits, evaluate],
  );
  return (
    <section id="phases" aria-labelledby="phases-title">
      <div class="section-head">
        <h2 id="phases-title">First and last use of each call</h2>
        <div class="tools">
          {picker}
          <ScaleChoice label="Time of calls" kind={scaleKind} onChange={onScale} />
          <label class="field">
            <span>Order</span>
            <select value={order} onChange={(event) => setOrder(event.currentTarget.value as Order)}>
              <option value="last">last use</option>
              <option value="first">first use</option>
              <option value="name">name</option>
            </select>
          </label>
        </div>
      </div>
      {duration === 0 || timed.length === 0 ? (
        <p class="muted">No call has a time, so there is nothing to split.</p>
      ) : (
        <>
          <SplitSummary
            hasLaunch={calls.some(({ launch }) => launch)}
            split={split}
            outcome={outcome}
            picker={
              <label class="field split-choice">
                <span>Split at</span>
                <select
                  value={split === null ? 'none' : String(splits.indexOf(split))}
                  onChange={(event) => onSplit(splits[Number(event.currentTarget.value)] ?? null)}
                >
                  <option value="none">the end: all is setup</option>
                  {split !== null && !splits.includes(split) && (
                    <option value="-1">{escapeText(split.trigger)}</option>
                  )}
                  {options.map(({ option, blocked }, index) => (
                    <option key={index} value={index}>
                      {`${escapeText(option.trigger)}${option.source === 'auto' ? ' (proposed)' : ''}: blocks ${blocked}`}
                    </option>
                  ))}
                </select>
              </label>
            }
          />
          <div class="spans" data-order={order}>
            <div class="spans-head">
              <span class="muted">Call</span>
              <span class="track">
                <BlockedCurve calls={calls} scale={scale} />
                <SplitHandle
                  profile={profile}
                  split={split}
                  at={outcome.at}
                  splits={splits}
                  scale={scale}
                  blocked={outcome.blocked}
                  onSplit={onSplit}
                />
                <ScaleAxis scale={scale} />
              </span>
              <span class="number muted">Uses</span>
            </div>
            <SpanRows calls={calls} shown={timed} scale={scale} outcome={outcome} />
          </div>
          {split !== null && <Blocked calls={calls} outcome={outcome} />}
          {lacking > 0 && (
            <p class="muted">
              {counted(lacking, 'call')} without times: possible at any moment, so in both phases.
            </p>
          )}
        </>
      )}
    </section>
  );
}

function SplitSummary(props: {
  /** Whether there is a call that nothing but the start of the program makes. */
  readonly hasLaunch: boolean;
  readonly split: Split | null;
  readonly outcome: SplitOutcome;
  readonly picker: ComponentChildren;
}): VNode {
  const { hasLaunch, split, outcome, picker } = props;
  const { setup, main, blocked, at, processes } = outcome;
  const figure = (id: string, name: string, value: number, className: string): VNode => (
    <div class={`figure ${className}`}>
      <dt>{name}</dt>
      <dd>
        <b id={id}>{value}</b>
      </dd>
    </div>
  );
  return (
    <div class="split">
      <dl class="figures">
        {split === null ? (
          figure('setup-size', 'calls in all', setup, 'of-phase phase-1')
        ) : (
          <>
            {figure('setup-size', 'setup needs', setup, 'of-phase phase-0')}
            {figure('main-size', 'main needs', main, 'of-phase phase-1')}
            {figure('blocked-size', '× main blocks more', blocked, '')}
          </>
        )}
      </dl>
      <div class="split-words">
        {picker}
        <p>
          {split === null
            ? 'Drag the handle, or choose a split, to see what the main phase would block.'
            : `${counted(processes, 'process', 'processes')} ${processes === 1 ? 'switches' : 'switch'}${processes === 0 ? '' : `, the first at ${formatDuration(at)}`}.`}
          {split?.reason != null && ` ${escapeText(split.reason)}.`}
          {hasLaunch && (
            <span class="muted"> The execve by which the program is started is not counted here.</span>
          )}
        </p>
        {split !== null && triggerOf(split) !== null && (
          <p class="muted">
            <code>callgate phases FILE --at {triggerOf(split)}</code>
          </p>
        )}
      </div>
    </div>
  );
}

/** Lines that share a picture, and are skipped together while they are not seen. */
const GROUP = 25;

/** Height of a line, as in the style. */
const ROW_HEIGHT = 18;

/** Half the height of a bar, in lines. */
const REACH = 4 / ROW_HEIGHT;

/** Lines of calls; kept apart so that a drag draws only those anew that change sides. */
function SpanRows(props: {
  readonly calls: readonly CallUses[];
  readonly shown: readonly CallUses[];
  readonly scale: TimeScale;
  readonly outcome: SplitOutcome;
}): VNode {
  const { calls, shown, scale, outcome } = props;
  const places = useMemo(() => new Map(calls.map((call, id) => [call, id])), [calls]);
  const groups = useMemo(
    () =>
      Array.from({ length: Math.ceil(shown.length / GROUP) }, (_, group) =>
        shown.slice(group * GROUP, (group + 1) * GROUP),
      ),
    [shown],
  );
  const isSplit = Number.isFinite(outcome.at);
  const at = isSplit ? scale.place(outcome.at) : 0;
  return (
    <div class="spans-body" role="list">
      <div class="behind" aria-hidden="true">
        <ScaleLines scale={scale} />
        {isSplit && <i class="split-line" style={{ left: `${100 * at}%` }} />}
      </div>
      {groups.map((group, index) => (
        <div
          key={index}
          class="span-group"
          role="presentation"
          style={{ containIntrinsicHeight: `auto ${group.length * ROW_HEIGHT}px` }}
        >
          {group.map((call) => {
            const id = places.get(call) ?? 0;
            return (
              <SpanRow
                key={call.label}
                call={call}
                inSetup={outcome.inSetup[id] === 1}
                inMain={!isSplit || outcome.inMain[id] === 1}
              />
            );
          })}
          <SpanBars calls={group} scale={scale} at={at} />
        </div>
      ))}
    </div>
  );
}

interface SpanRowProps {
  readonly call: CallUses;
  readonly inSetup: boolean;
  readonly inMain: boolean;
}

class SpanRow extends Component<SpanRowProps> {
  override shouldComponentUpdate(next: SpanRowProps): boolean {
    const { call, inSetup, inMain } = this.props;
    return next.call !== call || next.inSetup !== inSetup || next.inMain !== inMain;
  }

  override render(): VNode {
    const { call, inSetup, inMain } = this.props;
    const { label, count, first, last } = call;
    const isBlocked = inSetup && !inMain;
    const words = isBlocked
      ? 'blocked in main'
      : inSetup
        ? 'in both phases'
        : inMain
          ? 'in main only'
          : 'the launch';
    return (
      <div class={`span ${isBlocked ? 'is-blocked' : ''}`} role="listitem">
        <span class="span-name">
          <CallLink label={label} />
        </span>
        <span
          class="track"
          title={`${escapeText(label)}: ${words}; first ${formatDuration(first ?? 0)}, last ${formatDuration(last ?? 0)}`}
        />
        <span class="number muted">{count === null ? '' : grouped(count)}</span>
        <span class="hidden">
          {words}, first use {formatDuration(first ?? 0)}, last use {formatDuration(last ?? 0)}
        </span>
      </div>
    );
  }
}

/**
 * From first to last use of the calls of a group, all of them before the split and once more all of them after it: moving the
 * split moves two edges, whatever the number of calls.
 */
function SpanBars(props: {
  readonly calls: readonly CallUses[];
  readonly scale: TimeScale;
  /** Place of the split. */
  readonly at: number;
}): VNode {
  const { calls, scale, at } = props;
  const { bars, starts } = useMemo(() => {
    const places = calls.map(({ first, last }) => [scale.place(first ?? 0), scale.place(last ?? scale.end)]);
    return {
      bars: places.map(([from = 0, to = 0], row) => `M${from} ${row + 0.5}H${to}`).join(''),
      // However short a use is, it is to be seen.
      starts: places.map(([from = 0], row) => `M${from} ${row + 0.5 - REACH}v${2 * REACH}`).join(''),
    };
  }, [calls, scale]);
  const half = (phase: 'setup' | 'main', clipPath: string): VNode => (
    <svg
      class={`bars is-${phase}`}
      viewBox={`0 0 1 ${calls.length}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      style={{ clipPath }}
    >
      <path class="bar" d={bars} />
      <path class="start" d={starts} />
    </svg>
  );
  return (
    <div class="over">
      {half('setup', `inset(0 ${100 - 100 * at}% 0 -3px)`)}
      {half('main', `inset(0 -3px 0 ${at === 0 ? '-3px' : `${100 * at}%`})`)}
    </div>
  );
}

function Blocked({
  calls,
  outcome,
}: {
  readonly calls: readonly CallUses[];
  readonly outcome: SplitOutcome;
}): VNode {
  const blocked = calls.filter((_, id) => outcome.inSetup[id] === 1 && outcome.inMain[id] === 0);
  return (
    <details class="blocked" open={blocked.length > 0 && blocked.length <= 80}>
      <summary>
        {blocked.length === 0
          ? 'Main blocks nothing that setup needs'
          : `${counted(blocked.length, 'call')} of setup that main blocks`}
      </summary>
      <p class="names">
        {blocked.map(({ label }) => (
          <CallLink key={label} label={label} />
        ))}
      </p>
    </details>
  );
}

function sortCalls(calls: readonly CallUses[], order: Order): readonly CallUses[] {
  const timed = calls.filter(({ first, launch }) => first !== null && !launch);
  if (order === 'name') return timed;
  return [...timed].sort((a, b) =>
    order === 'last'
      ? (a.last ?? 0) - (b.last ?? 0) || (a.first ?? 0) - (b.first ?? 0)
      : (a.first ?? 0) - (b.first ?? 0) || (a.last ?? 0) - (b.last ?? 0),
  );
}

function longestRun({ runs }: Profile): number {
  return runs.reduce((most, { duration }) => Math.max(most, duration), 0);
}

/** How the command line names the split; null for what can be found only while a program runs. */
function triggerOf({ trigger, source }: Split): string | null {
  if (source === 'auto') return 'auto';
  if (trigger.includes(' | ') || !/^(?:syscall|listen|after):/.test(trigger)) return null;
  const text = escapeText(trigger);
  return /^[\w:#./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
