import { areaY, lineY, plot } from '@observablehq/plot';
import { useCallback, useMemo } from 'preact/hooks';
import type { VNode } from 'preact';
import type { CallUses } from './call-uses.ts';
import { PlotFigure } from './plot-figure.tsx';
import type { TimeScale } from './time-scale.ts';

const HEIGHT = 56;

type Point = readonly [place: number, blocked: number];

const CHANNELS = {
  x: ([place]: Point): number => place,
  y: ([, blocked]: Point): number => blocked,
  curve: 'step-after',
} as const;

/** How many calls a split at each time blocks: the later, the more, and most at the end, when nothing is needed any more. */
export function BlockedCurve(props: {
  readonly calls: readonly CallUses[];
  readonly scale: TimeScale;
}): VNode {
  const { calls, scale } = props;
  const points = useMemo(() => blockedPoints(calls, scale), [calls, scale]);
  const draw = useCallback(
    (width: number) =>
      plot({
        width,
        height: HEIGHT,
        margin: 0,
        marginTop: 4,
        x: { domain: [0, 1], axis: null },
        y: { domain: [0, Math.max(1, points.at(-1)?.[1] ?? 1)], axis: null },
        marks: [
          areaY(points, { ...CHANNELS, fill: 'var(--setup)', fillOpacity: 0.28 }),
          lineY(points, { ...CHANNELS, stroke: 'var(--setup)', strokeWidth: 1.25 }),
        ],
      }),
    [points],
  );
  return (
    <PlotFigure
      label={`Calls that main would block, by the time of the split: up to ${points.at(-1)?.[1] ?? 0}`}
      draw={draw}
    />
  );
}

function blockedPoints(calls: readonly CallUses[], scale: TimeScale): readonly Point[] {
  const over = calls
    .filter(({ isTimed, launch }) => !launch && isTimed)
    .map(({ last }) => last ?? 0)
    .sort((a, b) => a - b);
  const points = over
    .map((last, index): Point => [scale.place(last + 1), index + 1])
    .filter(([place]) => place < 1);
  return [[0, 0], ...points, [1, points.length]];
}
