import type { ComponentChildren } from 'preact';
import { formatDuration } from '../base/duration.ts';
import type { Process, Profile } from '../profile/model.ts';
import { escapeText } from '../report/escape.ts';
import { describeExit } from '../report/run-text.ts';
import { callNumber } from './use-columns.ts';
import { endOf, stretchesOf, threadsOf, type Life, type ProcessRow } from './process-rows.ts';
import type { TimeScale } from './time-scale.ts';
import { commandText, counted, programName } from './words.tsx';

/** What stands in a line of the chart. */
export interface ProcessLine {
  readonly name: string;
  readonly detail: string;
  readonly title: string;
  readonly calls: string;
  readonly start: string;
  readonly lasting: string;
  readonly words: string;
  readonly bars: ComponentChildren;
}

/**
 * The cells of a row.
 *
 * @param switches times of main by process, of a split that is being tried; null for the phases of the profile
 */
export function describeRow(
  profile: Profile,
  row: ProcessRow,
  switches: readonly number[] | null,
  phaseNames: readonly string[],
  scale: TimeScale,
): ProcessLine {
  if (row.kind === 'run') {
    const run = profile.runs[row.run];
    const detail = run === undefined ? '' : commandText(run.command, 200);
    return {
      name: `run ${row.run + 1}`,
      detail,
      title: detail,
      calls: '',
      start: '',
      lasting: formatDuration(run?.duration ?? 0),
      words: '',
      bars: null,
    };
  }
  if (row.kind === 'thread') {
    const { tid, start, end } = row.thread;
    const to = end ?? scale.end;
    return {
      name: `thread ${tid}`,
      detail: '',
      title: `thread ${tid}`,
      calls: '',
      start: formatDuration(start),
      lasting: end === null ? 'end not seen' : formatDuration(end - start),
      words: `from ${formatDuration(start)} to ${end === null ? 'no end that was seen' : formatDuration(end)}`,
      bars: <span class="thread" style={extent(scale, start, to)} />,
    };
  }
  return describeLife(profile, row.life, switches, phaseNames, scale);
}

function describeLife(
  profile: Profile,
  life: Life,
  switches: readonly number[] | null,
  phaseNames: readonly string[],
  scale: TimeScale,
): ProcessLine {
  const entries = life.entries.flatMap((index) => profile.processes[index] ?? []);
  const [begin] = entries as [Process];
  const last = entries.at(-1) ?? begin;
  const end = endOf(profile, last);
  const stretches = stretchesOf(profile, life, switches);
  const isPhased = phaseNames.length > 1;
  const words = stretches.map(({ process, phase, from, to }) => {
    const program = entries.length > 1 ? `${programName(profile, process)}, ` : '';
    const name = isPhased ? `${escapeText(phaseNames[phase] ?? `${phase}`)} ` : '';
    return `${program}${name}${formatDuration(from)} to ${formatDuration(to)}`;
  });
  const listens = entries.flatMap((entry) => entry.listens);
  const exit = describeExit(last.exit);
  const programs = life.entries.map((index) => programName(profile, index));
  const argv = last.argv;
  const detail = argv === null ? begin.birth : commandText(argv.slice(1), 160);
  const threads = threadsOf(profile, life).length;
  const distinct = new Set(entries.flatMap(({ calls }) => calls.map(callNumber)));
  return {
    name: `${begin.pid} ${programs.at(-1) ?? ''}`,
    detail,
    title: [
      `pid ${begin.pid}, ${begin.birth}`,
      [...new Set(programs)].join(' → '),
      argv === null ? '' : commandText(argv, 400),
      threads === 0 ? '' : counted(threads, 'further thread'),
      ...words,
      exit,
    ]
      .filter(Boolean)
      .join('\n'),
    calls: `${distinct.size}`,
    start: formatDuration(begin.start),
    lasting: last.end === null ? `${formatDuration(end - begin.start)} +` : formatDuration(end - begin.start),
    words: [
      ...words,
      exit,
      ...listens.map(({ at, address }) => `listens on ${escapeText(address)} from ${formatDuration(at)}`),
    ]
      .filter(Boolean)
      .join('; '),
    bars: (
      <>
        {stretches.map(({ process, phase, from, to }, place) => (
          <span
            key={place}
            class={`stretch phase-${isPhased ? phase % 6 : 1} ${place > 0 && stretches[place - 1]?.process !== process ? 'is-exec' : ''}`}
            style={extent(scale, from, to)}
          />
        ))}
        {listens.map(({ at, address }, place) => (
          <span
            key={`listen ${place}`}
            class="listen"
            style={{ left: share(scale.place(at)) }}
            title={`listens on ${escapeText(address)} from ${formatDuration(at)}`}
          />
        ))}
        {last.exit?.kind === 'signaled' && (
          <span class="killed" style={{ left: share(scale.place(end)) }} title={exit} />
        )}
      </>
    ),
  };
}

function extent(scale: TimeScale, from: number, to: number): { left: string; width: string } {
  const left = scale.place(from);
  return { left: share(left), width: share(scale.place(to) - left) };
}

function share(place: number): string {
  return `${(100 * place).toFixed(3)}%`;
}
