import type { VNode } from 'preact';
import type { Chain, ChainStep, Phase } from '../profile/model.ts';
import { escapeText } from '../report/escape.ts';
import { lastPart } from './words.tsx';

const HOW: Readonly<Record<ChainStep['how'], string>> = {
  root: 'begins at',
  call: 'calls',
  jump: 'jumps to',
  import: 'calls by import',
  pointer: 'calls through a pointer',
  taken: 'may call, as its address is taken',
  site: 'enters the kernel in',
};

/** How code gets to a call, step by step: shortest chains, one or more a phase. */
export function ChainList(props: {
  readonly chains: readonly Chain[];
  readonly phases: readonly Phase[];
}): VNode {
  const { chains, phases } = props;
  return (
    <div class="chains">
      <h3 id="chains-title">How code gets there</h3>
      {chains.map(({ phase, steps }, place) => (
        <details key={place} open={place === 0}>
          <summary>
            {phases.length > 1 ? `in ${escapeText(phases[phase]?.name ?? `${phase}`)}, ` : ''}
            {steps.length} steps from {stepName(steps[0])}
          </summary>
          <ol>
            {steps.map((step, index) => (
              <li key={index} class={`step is-${step.how}`}>
                <span class="muted">{HOW[step.how]}</span> <b>{stepName(step)}</b>{' '}
                <span class="muted">
                  {escapeText(lastPart(step.object))}
                  {step.function === null ? '' : ` 0x${step.address.toString(16)}`}
                  {step.note === undefined ? '' : `, ${escapeText(step.note)}`}
                </span>
              </li>
            ))}
          </ol>
        </details>
      ))}
    </div>
  );
}

function stepName(step: ChainStep | undefined): string {
  if (step === undefined) return '';
  return escapeText(step.function ?? `0x${step.address.toString(16)}`);
}
