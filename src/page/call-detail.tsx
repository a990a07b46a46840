import { useEffect, useRef } from 'preact/hooks';
import type { VNode } from 'preact';
import { describeSyscall } from '../abi/syscall-descriptions.ts';
import { syscalls } from '../abi/syscalls.ts';
import { formatDuration } from '../base/duration.ts';
import { knownCves, type Cve } from '../policy/cves.ts';
import { DANGEROUS_CALLS } from '../policy/dangerous.ts';
import { uniteArguments, uniteErrnos } from '../profile/call-union.ts';
import { argumentWords, errnoWords } from '../report/argument-text.ts';
import { callLabel } from '../report/call-names.ts';
import { escapeText } from '../report/escape.ts';
import { leaveCall } from './call-address.ts';
import { usesOf, type CallUses, type Use } from './call-uses.ts';
import { ChainList } from './chain-list.tsx';
import type { DocumentView, PolicyView, ProfileView } from './documents.ts';
import { counted, grouped, lastPart, programName } from './words.tsx';

/** Users of a call that are listed. */
const USER_CAP = 100;

/** All that is known of one call, beside the page. */
export function CallDetail(props: {
  readonly label: string;
  readonly documents: readonly DocumentView[];
}): VNode {
  const { label, documents } = props;
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    title.current?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') leaveCall();
    };
    addEventListener('keydown', onKey);
    return () => {
      removeEventListener('keydown', onKey);
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  const found = documents.map((view) => findCall(view, label));
  const known = found.find((each) => each !== null);
  const name = known?.name ?? null;
  const [first] = documents;
  const since = syscalls(known?.arch ?? first?.native ?? 'x86_64').find((call) => call.name === name)?.since;
  return (
    <aside class="detail" aria-labelledby="detail-title">
      <div class="detail-head">
        <h2 id="detail-title" tabIndex={-1} ref={title}>
          {escapeText(label)}
        </h2>
        <button type="button" onClick={leaveCall} aria-label="Close the details">
          Close
        </button>
      </div>
      {known === undefined ? (
        <p>No document has this call.</p>
      ) : (
        <>
          <p class="lead">
            {name === null
              ? 'A number that the tables of callgate have no name for.'
              : (describeSyscall(name) ?? '')}
          </p>
          <p class="muted">
            number {known?.nr} on {known?.arch}
            {since == null ? '' : `, since Linux ${since}`}
          </p>
          <Risk name={name} />
          {documents.map((view, index) => {
            const call = found[index];
            return call === null || call === undefined ? (
              <div key={index} class="detail-document">
                {documents.length > 1 && (
                  <p class="muted">
                    {view.label}: {view.kind === 'policy' ? 'denied' : 'not used'}
                  </p>
                )}
              </div>
            ) : (
              <div key={index} class="detail-document">
                {documents.length > 1 && <h3 class="document-name">{view.label}</h3>}
                {view.kind === 'profile' ? (
                  <InProfile view={view} call={call as CallUses} />
                ) : (
                  <InPolicy view={view} label={label} />
                )}
              </div>
            );
          })}
        </>
      )}
    </aside>
  );
}

function Risk({ name }: { readonly name: string | null }): VNode | null {
  const rows = DANGEROUS_CALLS.filter((row) => row.name === name);
  const cves = knownCves().filter(({ calls }) => name !== null && calls.includes(name));
  if (rows.length === 0 && cves.length === 0) return null;
  return (
    <div class="risks">
      <h3>Risk</h3>
      {rows.map(({ why, only }) => (
        <p key={why}>
          <i class={`risk ${only === undefined ? 'is-danger' : 'is-conditional'}`} aria-hidden="true" />{' '}
          {only === undefined ? 'Dangerous' : `Dangerous with ${only.meaning}`}: {why}.
        </p>
      ))}
      {cves.length > 0 && (
        <details>
          <summary>
            {counted(cves.length, 'published kernel bug')} of which an exploit may take this call
          </summary>
          <ul class="cves">
            {groupCves(cves, name).map(([others, ids]) => (
              <li key={others}>
                {ids.map((id, index) => (
                  <>
                    {index > 0 && ', '}
                    <span class="cve">{id}</span>
                  </>
                ))}
                <span class="muted">{others === '' ? ' (this call alone)' : ` (or ${others})`}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function InProfile({ view, call }: { readonly view: ProfileView; readonly call: CallUses }): VNode {
  const { profile } = view;
  const uses = usesOf(profile, call);
  const calls = uses.map((use) => use.call);
  const args = uniteArguments(calls) ?? [];
  const errnos = uniteErrnos(calls);
  const observed = uses.filter(({ process }) => process !== null);
  const possible = uses.filter(({ process }) => process === null);
  const phases = profile.phases
    .filter((_, index) => call.phases.has(index))
    .map(({ name }) => escapeText(name));
  const chains = uses.flatMap((use) => use.call.chains ?? []);
  return (
    <>
      <p>
        {call.origins.includes('observed') ? firstMade(view, observed) : 'Not seen in a run. '}
        {profile.phases.length > 1 && phases.length > 0 && `In ${phases.join(' and ')}.`}
      </p>
      {observed.length > 0 && <Users view={view} uses={observed} />}
      {args.length > 0 && (
        <>
          <h3>Arguments</h3>
          <dl class="arguments">
            {args.map((argument) => (
              <>
                <dt>{escapeText(argument.name)}</dt>
                <dd>
                  {argumentWords(call, argument).map((word) => (
                    <code key={word}>{word}</code>
                  ))}
                </dd>
              </>
            ))}
          </dl>
        </>
      )}
      {errnos !== undefined && Object.keys(errnos).length > 0 && (
        <>
          <h3>Failed with</h3>
          <p>{errnoWords(errnos).join(', ')}</p>
        </>
      )}
      {possible.length > 0 && (
        <>
          <h3>Possible in</h3>
          <ul>
            {possible.map((use, index) => (
              <li key={index}>
                {escapeText(profile.programs[use.program ?? -1]?.path ?? 'a program')}
                <span class="muted"> ({use.call.origin})</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {chains.length > 0 && <ChainList chains={chains} phases={profile.phases} />}
    </>
  );
}

function Users({ view, uses }: { readonly view: ProfileView; readonly uses: readonly Use[] }): VNode {
  const { profile } = view;
  const isPhased = profile.phases.length > 1;
  return (
    <table class="users">
      <thead>
        <tr>
          <th scope="col">Process</th>
          {isPhased && <th scope="col">Phases</th>}
          <th scope="col" class="number">
            Uses
          </th>
          <th scope="col" class="number">
            First
          </th>
          <th scope="col" class="number">
            Last
          </th>
        </tr>
      </thead>
      <tbody>
        {uses.slice(0, USER_CAP).map(({ call, process }) => (
          <tr key={process}>
            <th scope="row">
              {profile.processes[process ?? -1]?.pid} {programName(profile, process ?? -1)}
            </th>
            {isPhased && (
              <td>
                {call.phases.map((phase) => escapeText(profile.phases[phase]?.name ?? `${phase}`)).join(', ')}
              </td>
            )}
            <td class="number">{call.count === null ? '–' : grouped(call.count)}</td>
            <td class="number">{call.first === null ? '–' : formatDuration(call.first)}</td>
            <td class="number">{call.last === null ? '–' : formatDuration(call.last)}</td>
          </tr>
        ))}
      </tbody>
      {uses.length > USER_CAP && (
        <tfoot>
          <tr>
            <td colSpan={5}>and {counted(uses.length - USER_CAP, 'more process', 'more processes')}</td>
          </tr>
        </tfoot>
      )}
    </table>
  );
}

function InPolicy({ view, label }: { readonly view: PolicyView; readonly label: string }): VNode {
  const { phases } = view.policy;
  return (
    <dl class="why">
      {phases.map(({ name, calls, programs }) => {
        const call = calls.find((each) => callLabel(each, view.native) === label);
        const narrower = programs.filter(
          (program) => !program.calls.some((each) => callLabel(each, view.native) === label),
        );
        return (
          <>
            <dt>{escapeText(name)}</dt>
            <dd>
              {call === undefined ? (
                'denied'
              ) : (
                <>
                  allowed{call.args.length > 0 && ` if ${call.args.map(escapeText).join(' and ')}`}
                  {call.why.map((reason) => (
                    <span key={reason} class="muted">
                      <br />
                      {escapeText(reason)}
                    </span>
                  ))}
                  {narrower.length > 0 && (
                    <span class="muted">
                      <br />
                      denied for {narrower.map(({ path }) => escapeText(lastPart(path))).join(', ')}
                    </span>
                  )}
                </>
              )}
            </dd>
          </>
        );
      })}
    </dl>
  );
}

/** Bugs by what else leads to them, the longest groups first. */
function groupCves(
  cves: readonly Cve[],
  name: string | null,
): readonly (readonly [string, readonly string[]])[] {
  const groups = new Map<string, string[]>();
  for (const { id, calls } of cves) {
    const others = calls.filter((call) => call !== name).join(', ');
    groups.set(others, [...(groups.get(others) ?? []), id]);
  }
  return [...groups].sort(([, a], [, b]) => b.length - a.length);
}

/** Who made an observed call first, and when. */
function firstMade({ profile }: ProfileView, uses: readonly Use[]): string {
  const timed = uses.filter(({ call }) => call.first !== null);
  const [earliest] = timed.sort((a, b) => (a.call.first ?? 0) - (b.call.first ?? 0));
  if (earliest === undefined || earliest.process === null)
    return 'Seen, at a time that the method does not tell. ';
  const process = profile.processes[earliest.process];
  return (
    `First made by ${programName(profile, earliest.process)} (pid ${process?.pid ?? '?'}) ` +
    `at ${formatDuration(earliest.call.first ?? 0)}${earliest.call.launch === true ? ', which starts the program' : ''}. `
  );
}

interface Found {
  readonly arch: CallUses['arch'];
  readonly nr: number;
  readonly name: string | null;
}

function findCall(view: DocumentView, label: string): Found | null {
  if (view.kind === 'profile') return view.calls.find((call) => call.label === label) ?? null;
  for (const { calls } of view.policy.phases) {
    const call = calls.find((each) => callLabel(each, view.native) === label);
    if (call !== undefined) return call;
  }
  return null;
}
