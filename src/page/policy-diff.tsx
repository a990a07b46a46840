import type { VNode } from 'preact';
import type { PolicyChange } from '../policy/diff.ts';
import { escapeText } from '../report/escape.ts';
import type { PageDiff } from '../report/html/page-data.ts';
import { CallLink, counted } from './words.tsx';

const GROUPS = [
  { kind: 'opened', title: 'Opened', words: 'is let through, or may be, and was not before' },
  { kind: 'closed', title: 'Closed', words: 'was let through, and is not any more' },
  { kind: 'changed', title: 'Changed', words: 'neither of both' },
] as const;

/** What the second of two policies opens and closes. */
export function PolicyDiff({ diff }: { readonly diff: PageDiff }): VNode {
  const { before, after, made, changes, problem } = diff;
  return (
    <section id="changes" aria-labelledby="changes-title">
      <div class="section-head">
        <h2 id="changes-title">What changes in the policy</h2>
      </div>
      <p class="lead">
        {made ? 'A policy of ' : 'From '}
        <b>{before}</b> {made ? 'compared with one of ' : 'to '}
        <b>{after}</b>
        {problem === null &&
          `: ${changes.length === 0 ? 'no difference' : GROUPS.map(({ kind, title }) => `${changes.filter((change) => change.kind === kind).length} ${title.toLowerCase()}`).join(', ')}`}
        .
      </p>
      {problem !== null && <p class="notes">They could not be compared: {escapeText(problem)}.</p>}
      <div class="changes">
        {GROUPS.map(({ kind, title, words }) => {
          const some = changes.filter((change) => change.kind === kind);
          return some.length === 0 ? null : (
            <div key={kind} class={`changes-${kind}`}>
              <h3>
                {title}{' '}
                <span class="muted">
                  {counted(some.length, 'entry', 'entries')}; {words}
                </span>
              </h3>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Call</th>
                    <th scope="col">Phase</th>
                    <th scope="col">What</th>
                  </tr>
                </thead>
                <tbody>
                  {mergeAlike(some).map(({ change, phases }, index) => (
                    <tr key={index}>
                      <th scope="row">{change.call === null ? '–' : <CallLink label={change.call} />}</th>
                      <td>{phases.map(escapeText).join(', ') || 'all'}</td>
                      <td>
                        {change.program === null ? (
                          ''
                        ) : (
                          <span class="muted">{escapeText(change.program)}: </span>
                        )}
                        {escapeText(change.detail)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        })}
      </div>
    </section>
  );
}

/** The same change in several phases is one line. */
function mergeAlike(
  changes: readonly PolicyChange[],
): readonly { readonly change: PolicyChange; readonly phases: readonly string[] }[] {
  const lines = new Map<string, { change: PolicyChange; phases: string[] }>();
  for (const change of changes) {
    const key = JSON.stringify([change.call, change.program, change.detail]);
    const line = lines.get(key) ?? { change, phases: [] };
    if (change.phase !== null) line.phases.push(change.phase);
    lines.set(key, line);
  }
  return [...lines.values()];
}
