import { useRef } from 'preact/hooks';
import type { VNode } from 'preact';
import { formatDuration } from '../base/duration.ts';
import type { Profile } from '../profile/model.ts';
import type { Split } from '../profile/recut.ts';
import { splitAt } from '../profile/splits.ts';
import { escapeText } from '../report/escape.ts';
import type { TimeScale } from './time-scale.ts';

/** Pixels within which the handle takes a known split instead of the time below the pointer. */
const SNAP = 5;

/** Step of an arrow key, as a share of the axis. */
const STEP = 0.005;

/** The handle by which the split is moved, and marks for the known ones. */
export function SplitHandle(props: {
  readonly profile: Profile;
  readonly split: Split | null;
  /** Time of the split, `Infinity` if there is none. */
  readonly at: number;
  readonly splits: readonly Split[];
  readonly scale: TimeScale;
  readonly blocked: number;
  readonly onSplit: (split: Split | null) => void;
}): VNode {
  const { profile, split, at, splits, scale, blocked, onSplit } = props;
  const track = useRef<HTMLSpanElement>(null);
  const place = Number.isFinite(at) ? scale.place(at) : 1;
  const marks = splits.map((known) => ({ known, at: earliest(known) }));

  const moveTo = (share: number, canSnap: boolean): void => {
    const width = track.current?.clientWidth ?? 1;
    const near = marks
      .map((mark) => ({ ...mark, distance: Math.abs(scale.place(mark.at) - share) * width }))
      .filter(({ distance }) => canSnap && distance <= SNAP)
      .sort((a, b) => a.distance - b.distance)[0];
    onSplit(near?.known ?? splitAtTime(profile, roundedTime(scale, share, 1 / width)));
  };
  const onPointer = (event: PointerEvent): void => {
    const box = track.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return;
    moveTo((event.clientX - box.left) / box.width, !event.altKey);
  };
  const jump = (direction: 1 | -1): void => {
    const others = marks
      .filter((mark) => (direction === 1 ? mark.at > at : mark.at < at))
      .sort((a, b) => direction * (a.at - b.at));
    if (others[0] !== undefined) onSplit(others[0].known);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? 10 * STEP : STEP;
    const actions: Readonly<Record<string, () => void>> = {
      ArrowRight: () => moveTo(place + step, false),
      ArrowUp: () => moveTo(place + step, false),
      ArrowLeft: () => moveTo(place - step, false),
      ArrowDown: () => moveTo(place - step, false),
      PageUp: () => jump(1),
      PageDown: () => jump(-1),
      Home: () => moveTo(0, false),
      End: () => onSplit(null),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };

  return (
    <span
      class="handle-track"
      ref={track}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        onPointer(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) onPointer(event);
      }}
    >
      {marks.map((mark, index) => (
        <i
          key={index}
          class={mark.known.source === 'auto' ? 'mark is-auto' : 'mark'}
          aria-hidden="true"
          style={{ left: `${100 * scale.place(mark.at)}%` }}
          title={`${escapeText(mark.known.trigger)} at ${formatDuration(mark.at)}`}
        />
      ))}
      <span
        class="handle"
        role="slider"
        tabIndex={0}
        aria-label="Split between setup and main"
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={1000}
        aria-valuenow={Math.round(1000 * place)}
        aria-valuetext={
          split === null
            ? 'at the end, all is setup'
            : `${formatDuration(Math.min(at, scale.end))}, ${escapeText(split.trigger)}, main blocks ${blocked} more`
        }
        onKeyDown={onKey}
        style={{ left: `${100 * place}%` }}
      >
        <span class="flag" aria-hidden="true">
          {split === null ? 'end' : formatDuration(Math.min(at, scale.end))}
        </span>
      </span>
    </span>
  );
}

/** A time as round as the pixel that it stands for is wide: whoever repeats it on the command line types little. */
function roundedTime(scale: TimeScale, share: number, pixel: number): number {
  const time = scale.timeAt(share);
  const width = Math.max(1, Math.abs(scale.timeAt(share + pixel) - scale.timeAt(share - pixel)) / 2);
  const step = 10 ** Math.floor(Math.log10(width));
  return Math.round(time / step) * step;
}

/** The split at a time; none if no run lasts that long. */
function splitAtTime(profile: Profile, time: number): Split | null {
  const delay = Math.max(0, time);
  return profile.runs.some(({ duration }) => duration > delay)
    ? splitAt(profile, { kind: 'after', delay })
    : null;
}

function earliest({ times }: Split): number {
  return [...times.values()].reduce((first, time) => Math.min(first, time), Infinity);
}
