import { areaY, axisX, axisY, dot, gridY, lineY, plot, ruleY } from '@observablehq/plot';
import { useCallback, useMemo } from 'preact/hooks';
import type { VNode } from 'preact';
import { formatDuration } from '../base/duration.ts';
import type { Completeness } from '../profile/completeness.ts';
import { callLabel } from '../report/call-names.ts';
import type { PageSuspects } from '../report/html/page-data.ts';
import type { ProfileView } from './documents.ts';
import { PlotFigure } from './plot-figure.tsx';
import { Suspects } from './suspects.tsx';
import { timeScale } from './time-scale.ts';
import { CallLink, counted } from './words.tsx';

const HEIGHT = 240;

/** How complete this is: growth of the set over runs with an estimate, or for a single run over its time. */
export function Growth(props: {
  /** Of all profiles together. */
  readonly completeness: Completeness | null;
  readonly suspects: readonly PageSuspects[];
  readonly view: ProfileView;
  readonly isSeveral: boolean;
}): VNode {
  const { completeness, suspects, view, isSeveral } = props;
  return (
    <section id="growth" aria-labelledby="growth-title">
      <div class="section-head">
        <h2 id="growth-title">How complete is this?</h2>
      </div>
      {completeness === null || completeness.runs < 2 ? (
        <OverTime view={view} />
      ) : (
        <OverRuns completeness={completeness} native={view.native} isSeveral={isSeveral} />
      )}
      {suspects.map((program, index) => (
        <Suspects key={index} program={program} native={view.native} />
      ))}
    </section>
  );
}

function OverRuns(props: {
  readonly completeness: Completeness;
  readonly native: ProfileView['native'];
  readonly isSeveral: boolean;
}): VNode {
  const { completeness, native, isSeveral } = props;
  const { runs, commands, calls, rare, estimate, curve } = completeness;
  const draw = useCallback(
    (width: number) => {
      const seen = curve.filter(({ isForecast }) => !isForecast);
      const forecast = curve.filter(({ isForecast, runs: at }) => isForecast || at === runs);
      const top = Math.max(calls, estimate?.interval[1] ?? 0, ...curve.map((point) => point.calls));
      const low = Math.min(...curve.map((point) => point.calls));
      return plot({
        width,
        height: HEIGHT,
        marginLeft: 44,
        marginRight: 16,
        marginBottom: 36,
        style: { fontSize: '12px', overflow: 'visible' },
        x: { domain: [1, Math.max(2, ...curve.map((point) => point.runs))] },
        y: { domain: [Math.max(0, low - (top - low) * 0.25), top + (top - low) * 0.08 + 0.5] },
        marks: [
          gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
          axisX({
            label: 'runs',
            tickFormat: (value: number) => (Number.isInteger(value) ? `${value}` : ''),
            tickSize: 0,
          }),
          axisY({ label: 'distinct calls', tickSize: 0, ticks: 5 }),
          ...(estimate === null
            ? []
            : [
                areaY([1, Math.max(2, ...curve.map((point) => point.runs))], {
                  x: (value: number) => value,
                  y1: estimate.interval[0],
                  y2: estimate.interval[1],
                  fill: 'var(--accent)',
                  fillOpacity: 0.09,
                }),
                ruleY([estimate.total], { stroke: 'var(--accent)', strokeDasharray: '2 3' }),
              ]),
          lineY(forecast, {
            x: 'runs',
            y: 'calls',
            stroke: 'var(--accent)',
            strokeDasharray: '5 4',
            strokeWidth: 1.75,
          }),
          lineY(seen, { x: 'runs', y: 'calls', stroke: 'var(--accent)', strokeWidth: 2.25 }),
          dot([{ runs, calls }], { x: 'runs', y: 'calls', r: 4.5, fill: 'var(--accent)' }),
        ],
      });
    },
    [curve, estimate, runs, calls],
  );
  return (
    <div class="growth">
      <div>
        <p class="lead">
          {counted(calls, 'distinct call')} in {counted(runs, 'run')}
          {isSeveral ? ' of all profiles together' : ''}
          {estimate === null
            ? '; three runs or more allow an estimate of what is missing.'
            : estimate.unseen < 0.5
              ? '; nothing hints at calls that these runs missed.'
              : `; about ${Math.round(estimate.total)} would be seen by more runs of the same kind.`}
        </p>
        <PlotFigure
          label={`Distinct calls by number of runs, from ${curve[0]?.calls.toFixed(1) ?? 0} to ${calls}`}
          draw={draw}
        />
      </div>
      <div>
        <dl class="facts-list">
          <dt>Seen in all runs</dt>
          <dd>{completeness.always}</dd>
          <dt>Seen in one run only</dt>
          <dd>{completeness.uniques}</dd>
          {estimate !== null && (
            <>
              <dt>Estimated in all (Chao2)</dt>
              <dd>
                {estimate.total.toFixed(1)}{' '}
                <span class="muted">
                  95 %: {estimate.interval[0].toFixed(0)} to {estimate.interval[1].toFixed(0)}
                </span>
              </dd>
              <dt>Coverage (Good-Turing)</dt>
              <dd>{(100 * estimate.coverage).toFixed(1)} %</dd>
              {estimate.more.slice(0, 3).map(({ runs: more, calls: expected }) => (
                <>
                  <dt>New calls in {counted(more, 'more run')}</dt>
                  <dd>{expected.toFixed(1)}</dd>
                </>
              ))}
            </>
          )}
        </dl>
        {commands === 1 && (
          <p class="muted">
            All runs were of one command and workload: other inputs are beyond this estimate.
          </p>
        )}
        {rare.length > 0 && (
          <p class="names">
            <span class="muted">In one run only: </span>
            {rare.slice(0, 40).map((call) => (
              <CallLink key={`${call.arch} ${call.nr}`} label={callLabel(call, native)} />
            ))}
            {rare.length > 40 && <span class="muted">and {rare.length - 40} more</span>}
          </p>
        )}
      </div>
    </div>
  );
}

function OverTime({ view }: { readonly view: ProfileView }): VNode {
  const { calls, profile } = view;
  const points = useMemo(() => {
    const firsts = calls.flatMap(({ first }) => (first === null ? [] : [first])).sort((a, b) => a - b);
    return firsts.map((at, index): readonly [number, number] => [at, index + 1]);
  }, [calls]);
  const end = profile.runs.reduce((most, { duration }) => Math.max(most, duration), 0);
  const scale = useMemo(() => timeScale('log', end), [end]);
  const draw = useCallback(
    (width: number) => {
      const all = [...points, [end, points.length] as const];
      const ticks = scale.ticks;
      return plot({
        width,
        height: HEIGHT,
        marginLeft: 44,
        marginRight: 24,
        marginBottom: 36,
        style: { fontSize: '12px', overflow: 'visible' },
        x: { domain: [0, 1] },
        y: { domain: [0, points.length * 1.05 + 1] },
        marks: [
          gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
          axisX(
            ticks.map(({ place }) => place),
            {
              label: 'time since the start',
              tickSize: 0,
              tickFormat: (place: number) => ticks.find((tick) => tick.place === place)?.label ?? '',
            },
          ),
          axisY({ label: 'distinct calls', tickSize: 0, ticks: 5 }),
          lineY(all, {
            x: ([at]: readonly [number, number]) => scale.place(at),
            y: ([, size]: readonly [number, number]) => size,
            curve: 'step-after',
            stroke: 'var(--accent)',
            strokeWidth: 2,
          }),
        ],
      });
    },
    [points, scale, end],
  );
  const half = points.filter(([at]) => at > end / 2).length;
  if (points.length === 0) return <p class="muted">No call has a time: growth cannot be shown.</p>;
  return (
    <div class="growth">
      <div>
        <p class="lead">
          The latest new call came at {formatDuration(points.at(-1)?.[0] ?? 0)} of {formatDuration(end)};{' '}
          {half === 0 ? 'none' : half} in the second half of the time.
        </p>
        <PlotFigure label={`Distinct calls by time, ${points.length} at the end`} draw={draw} />
      </div>
      <div>
        <p class="muted">
          One run does not tell what other inputs would need. Trace several, and give all profiles to the
          report: from how many runs showed each call, it estimates how many were missed.
        </p>
      </div>
    </div>
  );
}
