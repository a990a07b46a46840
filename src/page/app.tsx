import { useEffect, useMemo, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Split } from '../profile/recut.ts';
import { splitAt } from '../profile/splits.ts';
import type { PageData } from '../report/html/page-data.ts';
import { useAddressedCall } from './call-address.ts';
import { CallDetail } from './call-detail.tsx';
import { CallMatrix, type Narrowing } from './call-matrix.tsx';
import { firstSplit, type DocumentView, type ProfileView } from './documents.ts';
import { Growth } from './growth.tsx';
import { LiveState } from './live-state.tsx';
import { Overview } from './overview.tsx';
import { PhaseChart } from './phase-chart.tsx';
import { PolicyDiff } from './policy-diff.tsx';
import { ProcessChart } from './process-chart.tsx';
import type { ScaleKind } from './time-scale.ts';
import { TopBar } from './top-bar.tsx';
import { usePageData } from './use-page-data.ts';
import { commandText } from './words.tsx';

const LAST_STAGE = 3;

/** The whole page. */
export function App({ data }: { readonly data: PageData }): VNode {
  const { documents, diff, completeness, suspects, live } = usePageData(data);
  const profiles = documents.filter((view) => view.kind === 'profile');
  const [chosen, setChosen] = useState(0);
  const [narrowing, setNarrowing] = useState<Narrowing | null>(null);
  const shown = profiles[Math.min(chosen, profiles.length - 1)];
  const call = useAddressedCall();
  const stage = useStage();
  const changes = diff === null ? [] : [{ id: 'changes', title: 'Changes' }];
  const parts = [
    { id: 'overview', title: 'Overview' },
    ...(shown === undefined
      ? []
      : [
          { id: 'processes', title: 'Processes' },
          { id: 'phases', title: 'Phases' },
        ]),
    ...(shown === undefined ? changes : []),
    { id: 'calls', title: 'Calls' },
    ...(shown === undefined ? [] : [{ id: 'growth', title: 'Completeness' }, ...changes]),
  ];
  useTitle(documents);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the report
      </a>
      <header>
        <TopBar parts={parts} />
      </header>
      <main id="main" tabIndex={-1}>
        <Heading documents={documents} version={data.version} />
        {live !== null && <LiveState live={live} />}
        <Overview documents={documents} />
        {shown !== undefined && (
          <OneProfile
            key={`${chosen} ${shown.label}`}
            profiles={profiles}
            shown={shown}
            onShow={setChosen}
            onNarrow={setNarrowing}
            hasPhases={stage > 0}
          />
        )}
        {/* Whoever gives nothing but two policies asks for what has changed. */}
        {stage > 1 && shown === undefined && diff !== null && <PolicyDiff diff={diff} />}
        {stage > 1 && (
          <CallMatrix
            documents={documents}
            narrowing={narrowing}
            onNarrow={setNarrowing}
            isWhole={stage === LAST_STAGE}
          />
        )}
        {stage === LAST_STAGE && (
          <>
            {shown !== undefined && (
              <Growth
                completeness={completeness}
                suspects={suspects}
                view={shown}
                isSeveral={profiles.length > 1}
              />
            )}
            {shown !== undefined && diff !== null && <PolicyDiff diff={diff} />}
          </>
        )}
      </main>
      {call !== null && <CallDetail key={call} label={call} documents={documents} />}
    </>
  );
}

/** Processes and phases of one of the profiles; what is tried there is forgotten when another is chosen. */
function OneProfile(props: {
  readonly profiles: readonly ProfileView[];
  readonly shown: ProfileView;
  readonly onShow: (index: number) => void;
  readonly onNarrow: (narrowing: Narrowing) => void;
  readonly hasPhases: boolean;
}): VNode {
  const { profiles, shown, onShow, onNarrow, hasPhases } = props;
  const proposed = useMemo(() => firstSplit(shown), [shown]);
  const [tried, setTried] = useState<Split | null | undefined>(undefined);
  const split = useMemo(
    () => (tried === undefined ? proposed : renewed(tried, shown)),
    [tried, proposed, shown],
  );
  const [scale, setScale] = useState<ScaleKind>(() => initialScale(shown, proposed));
  const picker =
    profiles.length < 2 ? null : (
      <label class="field">
        <span>Profile</span>
        <select
          value={profiles.indexOf(shown)}
          onChange={(event) => onShow(Number(event.currentTarget.value))}
        >
          {profiles.map(({ label }, index) => (
            <option key={index} value={index}>
              {label}
            </option>
          ))}
        </select>
      </label>
    );
  return (
    <>
      <ProcessChart
        view={shown}
        split={split}
        scaleKind={scale}
        onScale={setScale}
        onNarrow={onNarrow}
        picker={picker}
      />
      {hasPhases && (
        <PhaseChart
          view={shown}
          split={split}
          onSplit={setTried}
          scaleKind={scale}
          onScale={setScale}
          picker={picker}
        />
      )}
    </>
  );
}

function Heading({
  documents,
  version,
}: {
  readonly documents: readonly DocumentView[];
  readonly version: string;
}): VNode {
  const [first] = documents;
  const command = first?.kind === 'profile' ? first.profile.runs[0]?.command : undefined;
  const title =
    documents.length === 1 && command !== undefined && command.length > 0
      ? commandText(command, 120)
      : documents.length === 0
        ? 'Nothing to report'
        : documents.map(({ label }) => label).join(', ');
  return (
    <div class="heading">
      <p class="kicker">System call report</p>
      <h1>{title}</h1>
      <p class="origin">
        {documents.length === 1 ? `${first?.label ?? ''} · ` : ''}
        made by callgate {version}
      </p>
    </div>
  );
}

/** The browser paints the first parts before it is given the long ones: phases, calls, all the rest. */
function useStage(): number {
  const [stage, setStage] = useState(0);
  useEffect(() => {
    if (stage < LAST_STAGE) {
      const timer = setTimeout(() => setStage(stage + 1));
      return () => clearTimeout(timer);
    }
    document.documentElement.dataset['complete'] = '';
    performance.mark('complete');
    if (location.hash.length > 1 && !location.hash.includes('=')) {
      document.getElementById(location.hash.slice(1))?.scrollIntoView();
    }
    return;
  }, [stage]);
  return stage;
}

function useTitle(documents: readonly DocumentView[]): void {
  const title = documents.map(({ label }) => label).join(', ');
  useEffect(() => {
    document.title = title === '' ? 'callgate report' : `${title.slice(0, 120)} · callgate`;
  }, [title]);
}

/** The split at the same time, for processes that have appeared since it was tried. */
function renewed(split: Split | null, { profile }: ProfileView): Split | null {
  const delay = Number(/^after:([0-9]+)ns$/.exec(split?.trigger ?? '')?.[1] ?? NaN);
  return profile.runs.some(({ duration }) => duration > delay)
    ? splitAt(profile, { kind: 'after', delay })
    : split;
}

/** Set-up takes a blink at the start of a server's life: the axis gives it room. */
function initialScale({ profile }: ProfileView, split: Split | null): ScaleKind {
  const duration = Math.max(0, ...profile.runs.map((run) => run.duration));
  const at = split === null ? duration : Math.min(...split.times.values());
  return at < duration / 10 ? 'log' : 'linear';
}
