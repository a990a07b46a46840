import { TRACING, type Check, type Status } from '../doctor/check.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import type { MethodVerdict } from '../doctor/verdict.ts';

const MARKS: Readonly<Record<Status, string>> = { supported: 'ok', unsupported: 'no', undetermined: '?' };

const MARGIN = 6;
const WIDTH = 100;

/**
 * A diagnosis as text: the machine, a table a subject, what to do beneath whatever is not supported, and a last line that
 * says what can be traced. Ends with a line feed.
 */
export function renderDoctor(diagnosis: Diagnosis): string {
  const { host, checks, notes } = diagnosis;
  const width = Math.max(...[...checks, ...notes].map(({ name }) => name.length));
  const glibc = host.glibc === null ? '' : `, glibc ${host.glibc}`;
  const lines = [`Linux ${host.kernel}, ${host.arch}, Node.js ${host.node}${glibc}`];
  for (const [area, members] of groupByArea(checks)) {
    lines.push('', area);
    for (const group of groupByAdvice(members)) {
      for (const check of group) {
        lines.push(renderRow(MARKS[check.status], check.name, check.detail, width));
      }
      lines.push(...wrap(describeAdvice(group)));
    }
  }
  if (notes.length > 0) lines.push('', 'surroundings');
  for (const note of notes) {
    lines.push(renderRow('-', note.name, note.detail, width));
    if (note.meaning !== null) lines.push(...wrap(note.meaning));
  }
  lines.push('', summarize(diagnosis));
  return `${lines.join('\n')}\n`;
}

function groupByArea(checks: readonly Check[]): Map<string, Check[]> {
  const areas = new Map<string, Check[]>();
  for (const check of checks) {
    const members = areas.get(check.area);
    if (members === undefined) areas.set(check.area, [check]);
    else members.push(check);
  }
  return areas;
}

/** Neighbours that share a cause share its cure: told once, beneath the last of them. */
function groupByAdvice(checks: readonly Check[]): Check[][] {
  const groups: Check[][] = [];
  for (const check of checks) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (last?.status === check.status && last.advice === check.advice) group?.push(check);
    else groups.push([check]);
  }
  return groups;
}

/** What checks of one advice are needed for, and the advice; empty if all is well. */
function describeAdvice(group: readonly Check[]): string {
  const [first] = group;
  if (first === undefined || first.advice === null) return '';
  const needed = new Set(group.flatMap((check) => check.neededFor));
  if (first.status === 'undetermined' || needed.size === 0) return first.advice;
  const isAll = TRACING.every((purpose) => needed.has(purpose));
  const others = [...needed].filter((purpose) => !isAll || !TRACING.includes(purpose));
  const purposes = isAll ? ['all tracing', ...others] : others;
  const since = group.length > 1 || first.since === null ? '' : ` (Linux ${first.since})`;
  return `for ${purposes.join(', ')}${since}: ${first.advice}`;
}

function renderRow(mark: string, name: string, detail: string, width: number): string {
  return `  ${mark.padEnd(MARGIN - 4)}  ${name.padEnd(width)}  ${detail}`.trimEnd();
}

/** Breaks text at spaces into indented lines; none for no text. */
function wrap(text: string): string[] {
  if (text === '') return [];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH - MARGIN - 2) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((part) => `${' '.repeat(MARGIN + 2)}${part}`);
}

function summarize({ methods, checks }: Diagnosis): string {
  return `${summarizeStart(methods)}; ${summarizeAttach(methods)}; ${summarizeWatch(methods, checks)}.`;
}

function summarizeStart(methods: readonly MethodVerdict[]): string {
  const start = methods.filter(({ command }) => command === 'start');
  const what = 'callgate trace -- PROGRAM';
  const working = start.filter(({ status }) => status === 'supported');
  const blocked = start.filter(({ method, status }) => method !== 'ebpf' && status !== 'supported');
  if (working.length === 0) return `${what} ${describeFailure(start)}`;
  const isByEbpf = working.some(({ method }) => method === 'ebpf');
  const names = working.map(({ method, isDefault }) => {
    if (isDefault) return `${method} (the default)`;
    return method === 'adaptive' && !isByEbpf ? 'adaptive (the default with --phases none)' : method;
  });
  const hint = working.some(({ isDefault }) => isDefault)
    ? ''
    : `, so give --method ${working[0]?.method} (seccomp: see ${[...new Set(blocked.flatMap(({ missing }) => missing))].join(', ')})`;
  return `${what} works by ${listed(names)}${hint}`;
}

function summarizeAttach(methods: readonly MethodVerdict[]): string {
  const attach = methods.filter(({ command }) => command === 'attach');
  const working = attach.find(({ status }) => status === 'supported');
  return working === undefined
    ? `--pid ${describeFailure(attach)}`
    : `--pid works by ${working.method} for ${working.reach ?? 'any process'}`;
}

/** Watching, and whatever else is no program that callgate starts, is by eBPF only. */
function summarizeWatch(methods: readonly MethodVerdict[], checks: readonly Check[]): string {
  const ebpf = methods.filter(({ command, method }) => command === 'attach' && method === 'ebpf');
  const what = 'watch, --all, --cgroup and --container';
  if (ebpf.every(({ status }) => status === 'supported')) {
    const missing = checks.filter(
      ({ neededFor, status }) => neededFor.includes('watch') && status !== 'supported',
    );
    if (missing.length === 0) return `${what} work`;
    const names = missing.map(({ name }) => name).join(', ');
    return `--all, --cgroup and --container work; watch cannot look at every process (see ${names})`;
  }
  const isOpen = ebpf.some(({ status }) => status === 'undetermined');
  return `${what} need eBPF, which ${isOpen ? 'may work' : 'does not work here'}`;
}

/** `a, b and c`. */
function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

function describeFailure(methods: readonly MethodVerdict[]): string {
  const names = [...new Set(methods.flatMap(({ missing }) => missing))].join(', ');
  const possible = methods.some(({ status }) => status === 'undetermined');
  return possible ? `may work (see ${names})` : `does not work here (see ${names})`;
}
