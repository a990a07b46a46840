import type { VNode } from 'preact';
import type { Arch } from '../abi/arch.ts';
import { describeSyscall } from '../abi/syscall-descriptions.ts';
import { callLabel } from '../report/call-names.ts';
import { escapeText } from '../report/escape.ts';
import type { PageSuspects } from '../report/html/page-data.ts';
import { CallLink, counted, lastPart } from './words.tsx';

/** Suspects that are shown at once. */
const FIRST = 12;

/** What the code of a program may do and no run of it did, the most suspicious first. */
export function Suspects({
  program,
  native,
}: {
  readonly program: PageSuspects;
  readonly native: Arch;
}): VNode {
  const { path, runs, confirmed, suspects } = program;
  const name = escapeText(lastPart(path));
  return (
    <div class="suspects">
      <h3>Possible by the code of {name}, and never seen</h3>
      <p>
        {runs === 0
          ? 'No run of it was watched, so there is nothing to hold its code against.'
          : suspects.length === 0
            ? `All of its ${counted(confirmed, 'possible call')} were seen.`
            : `${counted(confirmed, 'call')} of its code ${confirmed === 1 ? 'was' : 'were'} seen in ${counted(runs, 'run')}, ${suspects.length} ${suspects.length === 1 ? 'was' : 'were'} not. Those come first that are most likely missing from the workload.`}
      </p>
      {suspects.length > 0 && <SuspectTable suspects={suspects.slice(0, FIRST)} native={native} />}
      {suspects.length > FIRST && (
        <details>
          <summary>{suspects.length - FIRST} more</summary>
          <SuspectTable suspects={suspects.slice(FIRST)} native={native} />
        </details>
      )}
    </div>
  );
}

function SuspectTable(props: { readonly suspects: PageSuspects['suspects']; readonly native: Arch }): VNode {
  const isRemarked = props.suspects.some((suspect) => remarkOn(suspect) !== '');
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Call</th>
          <th scope="col">What it does</th>
          <th scope="col">Way there</th>
          {isRemarked && <th scope="col">Remark</th>}
        </tr>
      </thead>
      <tbody>
        {props.suspects.map((suspect) => (
          <tr key={`${suspect.arch} ${suspect.nr}`}>
            <th scope="row">
              <CallLink label={callLabel(suspect, props.native)} />
            </th>
            <td class="purpose">{(suspect.name === null ? null : describeSyscall(suspect.name)) ?? ''}</td>
            <td>{wayTo(suspect)}</td>
            {isRemarked && <td>{remarkOn(suspect)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function wayTo({ steps, assumed }: PageSuspects['suspects'][number]): string {
  if (steps === null) return 'not told';
  return `${counted(steps, 'step')}${assumed === null || assumed === 0 ? '' : `, ${assumed} assumed`}`;
}

function remarkOn({ seenIn, danger }: PageSuspects['suspects'][number]): string {
  return [
    ...(seenIn.length === 0 ? [] : [`made by ${seenIn.map(escapeText).join(', ')}`]),
    ...(danger === null ? [] : [`dangerous: ${danger}`]),
  ].join('; ');
}
