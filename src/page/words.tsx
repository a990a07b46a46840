import type { VNode } from 'preact';
import type { Profile } from '../profile/model.ts';
import { escapeText, quoteCommand, shorten } from '../report/escape.ts';
import { callAddress } from './call-address.ts';

/** Name of a call that leads to its details. */
export function CallLink({ label }: { readonly label: string }): VNode {
  return (
    <a class="call" href={callAddress(label)}>
      {escapeText(label)}
    </a>
  );
}

/** Last part of a path. */
export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1) || path;
}

/** What a process is called by people: as it was started, for one file may be many programs; a fork is what its parent is. */
export function programName(profile: Profile, process: number): string {
  let entry = profile.processes[process];
  while (entry !== undefined && entry.argv === null && entry.birth !== 'exec' && entry.parent !== null) {
    entry = profile.processes[entry.parent];
  }
  const program = profile.programs[entry?.program ?? -1]?.path;
  return escapeText(lastPart(entry?.argv?.[0] ?? '') || lastPart(program ?? '') || 'process');
}

/** A command line, cut to a width. */
export function commandText(words: readonly string[], width: number): string {
  return shorten(quoteCommand(words), width);
}

/** `1 process`, `2 processes`. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** `1,234,567`; by hand, since the browser's own way loads its tables of all languages. */
export function grouped(count: number): string {
  return `${count}`.replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `27 %` of a whole; `0 %` of nothing. */
export function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((100 * part) / whole)} %`;
}
