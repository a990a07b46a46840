import type { VNode } from 'preact';
import type { ScaleKind, TimeScale } from './time-scale.ts';
import { Choice } from './top-bar.tsx';

/** Labels of an axis. */
export function ScaleAxis({ scale }: { readonly scale: TimeScale }): VNode {
  return (
    <span class="axis" aria-hidden="true">
      {scale.ticks.map(({ at, place, label }) => (
        <span key={at} class={place > 0.94 ? 'tick is-last' : 'tick'} style={{ left: `${100 * place}%` }}>
          {label}
        </span>
      ))}
    </span>
  );
}

/** Lines of an axis, behind what is drawn on it. */
export function ScaleLines({ scale }: { readonly scale: TimeScale }): VNode {
  return (
    <span class="lines" aria-hidden="true">
      {scale.ticks.map(({ at, place }) => (
        <i key={at} style={{ left: `${100 * place}%` }} />
      ))}
    </span>
  );
}

/** The choice between the two kinds of axis. */
export function ScaleChoice(props: {
  readonly label: string;
  readonly kind: ScaleKind;
  readonly onChange: (kind: ScaleKind) => void;
}): VNode {
  return (
    <Choice
      label={props.label}
      options={[
        { value: 'log', text: 'Log' },
        { value: 'linear', text: 'Linear' },
      ]}
      value={props.kind}
      onChange={props.onChange}
    />
  );
}
