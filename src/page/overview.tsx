import { useMemo } from 'preact/hooks';
import type { VNode } from 'preact';
import { formatDuration } from '../base/duration.ts';
import { syscalls } from '../abi/syscalls.ts';
import type { Arch } from '../abi/arch.ts';
import { blockedCves, knownCves } from '../policy/cves.ts';
import { isDangerous } from '../policy/dangerous.ts';
import { escapeText, shorten } from '../report/escape.ts';
import { callLabel, type NamedCall } from '../report/call-names.ts';
import type { DocumentView } from './documents.ts';
import { CallLink, commandText, counted, grouped, percent } from './words.tsx';

/** Notes that are listed. */
const NOTE_CAP = 12;

/** What matters most, in numbers: for one document as figures, for several as a table. */
export function Overview({ documents }: { readonly documents: readonly DocumentView[] }): VNode {
  const facts = useMemo(() => documents.map(factsOf), [documents]);
  const [only] = facts;
  return (
    <section id="overview" aria-labelledby="overview-title">
      <h2 id="overview-title" class="hidden">
        Overview
      </h2>
      {only === undefined && <p>No profile and no policy was given.</p>}
      {only !== undefined && facts.length === 1 && <Figures facts={only} />}
      {facts.length > 1 && <FactsTable facts={facts} />}
      {facts.map((each, index) => (
        <Notes key={index} facts={each} isSeveral={facts.length > 1} />
      ))}
    </section>
  );
}

/** What there is to say of a document. */
interface Facts {
  readonly view: DocumentView;
  readonly calls: number;
  readonly total: number;
  readonly phases: readonly { readonly name: string; readonly size: number; readonly blocked: number }[];
  /** Calls of the own arch that exist and are not among `calls`. */
  readonly blocked: number;
  readonly dangerous: readonly string[];
  readonly cves: number;
  readonly processes: number | null;
  readonly threads: number | null;
  readonly made: number | null;
  readonly duration: number | null;
}

function Figures({ facts }: { readonly facts: Facts }): VNode {
  const { view, calls, total, phases, dangerous, cves, processes, threads, made, duration } = facts;
  const known = knownCves().length;
  const verb = verbOf(view);
  return (
    <dl class="figures">
      <Figure name={`system calls ${verb}`} value={`${calls}`} note={`of ${total} on ${view.native}`} />
      {phases.length > 1 &&
        phases.map(({ name, size, blocked }, index) => (
          <Figure
            key={name}
            name={`in ${escapeText(name)}`}
            value={`${size}`}
            note={`${percent(blocked, total)} blockable`}
            phase={index}
          />
        ))}
      {processes !== null && (
        <Figure
          name={processes === 1 ? 'process' : 'processes'}
          value={grouped(processes)}
          note={counted(threads ?? 0, 'further thread')}
        />
      )}
      {made !== null && (
        <Figure
          name="calls made"
          value={grouped(made)}
          note={duration === null ? '' : `in ${formatDuration(duration)}`}
        />
      )}
      <Figure name="bugs out of reach" value={`${cves}`} note={`of ${known} in the kernel`} />
      <Figure name="dangerous calls" value={`${dangerous.length}`} note={verb} />
    </dl>
  );
}

function Figure(props: {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly phase?: number;
}): VNode {
  const { name, value, note, phase } = props;
  return (
    <div class={phase === undefined ? 'figure' : `figure of-phase phase-${phase % 6}`}>
      <dt>{name}</dt>
      <dd>
        <b class={value.length > 7 ? 'is-long' : ''}>{value}</b>
        <span>{note}</span>
      </dd>
    </div>
  );
}

function FactsTable({ facts }: { readonly facts: readonly Facts[] }): VNode {
  const most = Math.max(1, ...facts.map(({ calls }) => calls));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Documents side by side">
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">Document</th>
            <th scope="col">What</th>
            <th scope="col" class="size">
              Calls
            </th>
            <th scope="col">By phase</th>
            <th scope="col" class="number">
              Can be blocked
            </th>
            <th scope="col" class="number">
              Dangerous
            </th>
            <th scope="col" class="number">
              Bugs out of reach
            </th>
            <th scope="col" class="number">
              Processes
            </th>
          </tr>
        </thead>
        <tbody>
          {facts.map(({ view, calls, total, blocked, phases, dangerous, cves, processes }, index) => (
            <tr key={index}>
              <th scope="row">{view.label}</th>
              <td class="muted what">{describe(view)}</td>
              <td class="size">
                <span class="amount">{calls}</span>
                <span class="meter" aria-hidden="true" style={{ width: `${(100 * calls) / most}%` }} />
              </td>
              <td class="by-phase">
                {phases.length < 2
                  ? '–'
                  : phases.map(({ name, size }) => `${escapeText(name)} ${size}`).join(', ')}
              </td>
              <td class="number">{percent(blocked, total)}</td>
              <td class="number">{dangerous.length}</td>
              <td class="number">{cves}</td>
              <td class="number">{processes ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What a reader must know before trusting the numbers. */
function Notes({ facts, isSeveral }: { readonly facts: Facts; readonly isSeveral: boolean }): VNode | null {
  const { view, dangerous } = facts;
  const { notes, assumptions } = notesOf(view);
  const hasDangers = dangerous.length > 0 && !isSeveral;
  if (notes.length === 0 && assumptions.length === 0 && !hasDangers) return null;
  return (
    <div class="notes">
      {isSeveral && <h3>{view.label}</h3>}
      {hasDangers && (
        <p>
          Dangerous whatever the arguments:{' '}
          {dangerous.map((label, index) => (
            <span key={label}>
              {index > 0 && ', '}
              <CallLink label={label} />
            </span>
          ))}
        </p>
      )}
      {notes.length > 0 && (
        <ul>
          {notes.slice(0, NOTE_CAP).map((note) => (
            <li key={note}>{shorten(note, 240)}</li>
          ))}
          {notes.length > NOTE_CAP && <li>and {notes.length - NOTE_CAP} more</li>}
        </ul>
      )}
      {assumptions.length > 0 && (
        <details>
          <summary>Complete under {counted(assumptions.length, 'assumption')}</summary>
          <ul>
            {assumptions.map((assumption) => (
              <li key={assumption}>{shorten(assumption, 240)}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

/** What is wrong with a document, and what it takes for granted; each once. */
function notesOf(view: DocumentView): {
  readonly notes: readonly string[];
  readonly assumptions: readonly string[];
} {
  if (view.kind === 'policy') return { notes: [], assumptions: [] };
  const { runs, programs } = view.profile;
  const notes = [
    ...runs.flatMap(({ incomplete, warnings, lost }) => [
      ...incomplete.map((reason) => `Not complete: ${escapeText(reason)}`),
      ...warnings.map((warning) => `Warning: ${escapeText(warning)}`),
      ...(lost > 0 ? [`${counted(lost, 'event')} lost`] : []),
    ]),
    ...programs.flatMap(({ path, analysis }) =>
      analysis === undefined || analysis.unresolved.length === 0
        ? []
        : [`${escapeText(path)}: ${counted(analysis.unresolved.length, 'place')} could not be bounded`],
    ),
  ];
  const assumptions = programs.flatMap(({ analysis }) => analysis?.assumptions.map(escapeText) ?? []);
  return { notes: [...new Set(notes)], assumptions: [...new Set(assumptions)] };
}

function factsOf(view: DocumentView): Facts {
  const sets: readonly { readonly name: string; readonly calls: readonly NamedCall[] }[] =
    view.kind === 'policy'
      ? view.policy.phases
      : view.profile.phases.map(({ name }, phase) => ({
          name,
          calls: view.calls.filter(({ phases }) => phases.has(phase)),
        }));
  const all = view.kind === 'policy' ? unite(sets.map(({ calls }) => calls)) : view.calls;
  const arches = [...new Set<Arch>([view.native, ...all.map(({ arch }) => arch)])];
  const allowed = new Set(all.map(({ arch, nr }) => `${arch} ${nr}`));
  // Numbers that no release has implemented are nothing to block.
  const existing = syscalls(view.native).filter(({ since }) => since !== null);
  const blockedBy = (calls: readonly NamedCall[]): number => {
    const used = new Set(calls.flatMap(({ arch, nr }) => (arch === view.native ? [nr] : [])));
    return existing.filter(({ nr }) => !used.has(nr)).length;
  };
  const common = {
    view,
    calls: all.length,
    total: existing.length,
    blocked: blockedBy(all),
    phases: sets.map(({ name, calls }) => ({ name, size: calls.length, blocked: blockedBy(calls) })),
    dangerous: all.filter(({ name }) => isDangerous(name)).map((call) => callLabel(call, view.native)),
    cves: blockedCves(arches, (arch, nr) => allowed.has(`${arch} ${nr}`)).length,
  };
  if (view.kind === 'policy') {
    return { ...common, processes: null, threads: null, made: null, duration: null };
  }
  const { processes, runs } = view.profile;
  const counts = view.calls.map(({ count }) => count);
  return {
    ...common,
    processes: new Set(processes.map(({ run, pid }) => `${run} ${pid}`)).size,
    threads: processes.reduce((sum, { threads }) => sum + threads.length, 0),
    made: counts.includes(null) ? null : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    duration: runs.reduce((sum, run) => sum + run.duration, 0),
  };
}

/** What the calls of a document are: a trace has used them, code may only be able to. */
function verbOf(view: DocumentView): string {
  if (view.kind === 'policy') return 'allowed';
  const origins = new Set(view.calls.flatMap((call) => call.origins));
  if (!origins.has('observed') && origins.size > 0) return 'possible';
  return origins.size > 1 ? 'used or possible' : 'used';
}

function unite(sets: readonly (readonly NamedCall[])[]): readonly NamedCall[] {
  return [...new Map(sets.flat().map((call) => [`${call.arch} ${call.nr}`, call])).values()];
}

function describe(view: DocumentView): string {
  if (view.kind === 'policy') return `policy, ${view.policy.strict}, ${view.policy.onViolation}`;
  const { runs } = view.profile;
  const methods = [...new Set(runs.map(({ method }) => method))].join(', ');
  const command = runs[0] === undefined ? 'no run' : commandText(runs[0].command, 48);
  return `${methods}${methods === '' ? '' : ', '}${runs.length > 1 ? `${runs.length} runs, ` : ''}${command}`;
}
