import { formatDuration } from '../base/duration.ts';

/** `log`: the first moments, in which programs set themselves up, get as much room as the hours after them. */
export type ScaleKind = 'linear' | 'log';

/** Where a time stands on an axis. */
export interface TimeScale {
  readonly kind: ScaleKind;
  /** Nanoseconds at the right end; at least 1. */
  readonly end: number;
  /** Share of the width, 0 to 1, for nanoseconds; times beyond an end are at that end. */
  place(time: number): number;
  /** Whole nanoseconds for a share of the width. */
  timeAt(place: number): number;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly at: number;
  readonly place: number;
  readonly label: string;
}

/** Part of the whole time up to which a logarithmic axis is about linear. */
const LINEAR_PART = 1e-3;

/** Labels nearer to each other than this would overlap. */
const LABEL_GAP = 0.085;

/** An axis from 0 to `end` nanoseconds. */
export function timeScale(kind: ScaleKind, end: number): TimeScale {
  const last = Math.max(1, end);
  const knee = last * LINEAR_PART;
  const whole = Math.log1p(last / knee);
  const place = (time: number): number => {
    const inside = Math.min(last, Math.max(0, time));
    return kind === 'linear' ? inside / last : Math.log1p(inside / knee) / whole;
  };
  const timeAt = (share: number): number => {
    const inside = Math.min(1, Math.max(0, share));
    return Math.round(kind === 'linear' ? inside * last : Math.expm1(inside * whole) * knee);
  };
  return { kind, end: last, place, timeAt, ticks: ticksOf(kind, last, place) };
}

function ticksOf(kind: ScaleKind, end: number, place: (time: number) => number): readonly Tick[] {
  const times = kind === 'linear' ? linearTimes(end) : [0, ...decades(end)];
  const ticks: Tick[] = [];
  for (const at of times) {
    const tick = { at, place: place(at), label: at === 0 ? '0' : formatDuration(at) };
    if (tick.place - (ticks.at(-1)?.place ?? -1) >= LABEL_GAP) ticks.push(tick);
  }
  return ticks;
}

/** About six round times. */
function linearTimes(end: number): readonly number[] {
  const rough = end / 6;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * decade >= rough) ?? 10) * decade);
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step);
}

function decades(end: number): readonly number[] {
  const times: number[] = [];
  for (let at = 10 ** Math.ceil(Math.log10(end * LINEAR_PART)); at <= end; at *= 10) times.push(at);
  return times;
}
