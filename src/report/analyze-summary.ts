import { basename } from 'node:path';
import { syscalls } from '../abi/syscalls.ts';
import { formatDuration } from '../base/duration.ts';
import { newestNumber } from '../policy/kernel-release.ts';
import type { Profile, UnresolvedSite } from '../profile/model.ts';
import { escapeText } from './escape.ts';
import { plural } from './table.ts';

/** What `callgate analyze` found of one program, as numbers. */
export interface AnalyzeSummary {
  /** Path without links. */
  readonly program: string;
  /** The file that was given, which may be a link to it, or a script that it runs. */
  readonly command: string;
  readonly possible: number;
  readonly total: number;
  /** Calls possible in each phase, if there is more than one. */
  readonly phases?: readonly { readonly name: string; readonly possible: number }[];
  readonly unresolved: Readonly<Record<string, number>>;
  readonly complete: boolean;
  readonly seconds: number;
  readonly output: string;
}

/** The numbers of a profile of one program that was analysed; only calls of the machine's own arch count. */
export function summarizeAnalysis(profile: Profile, output: string): AnalyzeSummary {
  const [run] = profile.runs;
  const [program] = profile.programs;
  const newest = newestNumber('x86_64', run?.host.kernel ?? '');
  const sites = program?.analysis?.unresolved ?? [];
  return {
    program: program?.path ?? '',
    command: run?.command[0] ?? '',
    ...(profile.phases.length < 2
      ? {}
      : {
          phases: profile.phases.map(({ name }, phase) => ({
            name,
            possible:
              program?.calls.filter((call) => call.arch === 'x86_64' && call.phases.includes(phase)).length ??
              0,
          })),
        }),
    possible: program?.calls.filter(({ arch }) => arch === 'x86_64').length ?? 0,
    total: syscalls('x86_64').filter(({ nr, since }) => since !== null && nr <= newest).length,
    unresolved: countKinds(sites),
    complete: run?.complete ?? false,
    seconds: Math.round((run?.duration ?? 0) / 1e6) / 1e3,
    output,
  };
}

/** One line for people: `redis-server (redis-check-rdb): 118 system calls possible, 257 of 375 blocked; no unresolved sites; 810 ms`. */
export function formatAnalyzeSummary({
  program,
  command,
  possible,
  total,
  phases,
  unresolved,
  complete,
  seconds,
}: AnalyzeSummary): string {
  const kinds = Object.entries(unresolved);
  const count = kinds.reduce((sum, [, each]) => sum + each, 0);
  const sites =
    count === 0
      ? 'no unresolved sites'
      : `${plural(count, 'unresolved site')} (${kinds.map(([kind, each]) => `${each} ${kind}`).join(', ')})`;
  const parts = [
    `${plural(possible, 'system call')} possible, ${total - possible} of ${total} blocked`,
    ...(phases ?? [])
      .slice(1)
      .map(({ name, possible: each }) => `${each} in phase ${name}, ${possible - each} fewer`),
    sites,
    ...(complete ? [] : ['not complete']),
    formatDuration(seconds * 1e9),
  ];
  const [given, name] = [basename(command), basename(program)];
  return escapeText(`${given === name ? name : `${given} (${name})`}: ${parts.join('; ')}`);
}

function countKinds(sites: readonly UnresolvedSite[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of sites) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
