import { UsageError } from '../base/errors.ts';
import { nearestSyscallNames, syscallNumber } from '../abi/syscalls.ts';
import { parseDuration } from '../base/duration.ts';
import { requireString } from '../base/text.ts';
import { ARCHES } from '../abi/arch.ts';

/** What begins a phase, or tells that a server is ready. `text` is the trigger as it was written. */
export type Trigger = { readonly text: string } & (
  | { readonly kind: 'syscall'; readonly name: string; readonly n: number }
  | { readonly kind: 'symbol'; readonly object: string | null; readonly name: string }
  /** `tcp:PORT`, or `unix:PATH` where an abstract name begins with `@`: as in the profile's `listens`. */
  | { readonly kind: 'listen'; readonly address: string }
  | { readonly kind: 'output'; readonly pattern: string }
  /** Nanoseconds from the start of the program. */
  | { readonly kind: 'after'; readonly delay: number }
  | { readonly kind: 'key' }
);

/** A phase that was asked for: `NAME@TRIGGER`. */
export interface PhaseRequest {
  readonly name: string;
  readonly trigger: Trigger;
  /** Further triggers of which each begins the phase as well. */
  readonly alternatives?: readonly Trigger[];
}

/** The triggers of a phase: each of them begins it. */
export function triggersOf({ trigger, alternatives = [] }: PhaseRequest): readonly Trigger[] {
  return [trigger, ...alternatives];
}

/** The triggers of a phase, as profiles join them. */
export function triggerText(phase: PhaseRequest): string {
  return triggersOf(phase)
    .map(({ text }) => text)
    .join(' | ');
}

const FORMS =
  'syscall:NAME[#n], symbol:[OBJECT:]FUNCTION, listen:PORT|PATH, output:/REGEX/, after:DURATION or key';

/**
 * Reads a trigger as written on the command line.
 *
 * @throws UsageError that names the forms there are, or the nearest system call
 */
export function parseTrigger(text: string): Trigger {
  requireString('trigger', text, FORMS);
  const colon = text.indexOf(':');
  const kind = colon === -1 ? text : text.slice(0, colon);
  const rest = colon === -1 ? '' : text.slice(colon + 1);
  switch (kind) {
    case 'syscall':
      return parseSyscall(text, rest);
    case 'symbol':
      return parseSymbol(text, rest);
    case 'listen':
      return { text, kind, address: parseAddress(text, rest) };
    case 'output':
      return { text, kind, pattern: parsePattern(text, rest) };
    case 'after':
      return { text, kind, delay: parseDuration(rest, `trigger ${text}`) };
    case 'key':
      if (rest === '') return { text, kind };
      throw new UsageError(`trigger: ${text} takes nothing after key`);
    default:
      throw new UsageError(`trigger: unknown kind ${JSON.stringify(text)} (use ${FORMS})`);
  }
}

/**
 * Reads triggers of which each begins the same phase, as profiles join them: `TRIGGER | TRIGGER`.
 *
 * @throws UsageError
 */
export function parseTriggers(text: string): readonly [Trigger, ...Trigger[]] {
  // A pattern of output may hold the separator as well.
  const [first, ...others] = text.split(/ \| (?=(?:syscall|symbol|listen|output|after):|key$)/);
  return [parseTrigger(first as string), ...others.map(parseTrigger)];
}

/**
 * Reads `NAME@TRIGGER`, or `NAME@TRIGGER | TRIGGER` where each begins the phase.
 *
 * @throws UsageError
 */
export function parsePhase(text: string): PhaseRequest {
  requireString('phase', text, 'NAME@TRIGGER');
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  if (at === -1) throw new UsageError(`phase: ${JSON.stringify(text)} lacks a trigger (use NAME@TRIGGER)`);
  requirePhaseName(name);
  const [trigger, ...alternatives] = parseTriggers(text.slice(at + 1));
  return alternatives.length === 0 ? { name, trigger } : { name, trigger, alternatives };
}

/** @throws UsageError for what no phase after the first one can be called */
export function requirePhaseName(name: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new UsageError(`phase: bad name ${JSON.stringify(name)} (letters, digits, - and _, 64 at most)`);
  }
  if (name === 'setup') throw new UsageError('phase: setup is the first phase and begins by itself');
}

function parseSyscall(text: string, rest: string): Trigger {
  const match = /^([a-z0-9_]+)(?:#([0-9]{1,9}))?$/i.exec(rest);
  if (match === null) throw new UsageError(`trigger: ${JSON.stringify(text)} is not syscall:NAME[#n]`);
  const name = match[1] as string;
  const n = match[2] === undefined ? 1 : Number(match[2]);
  if (n < 1) throw new UsageError(`trigger: ${text} counts from 1`);
  if (!ARCHES.some((arch) => syscallNumber(arch, name) !== null)) {
    const near = nearestSyscallNames('x86_64', name);
    const hint = near.length === 0 ? '' : ` (did you mean ${near.join(', ')}?)`;
    throw new UsageError(`trigger: no system call is called ${name}${hint}`);
  }
  return { text, kind: 'syscall', name, n };
}

function parseSymbol(text: string, rest: string): Trigger {
  const colon = rest.lastIndexOf(':');
  const object = colon === -1 ? null : rest.slice(0, colon);
  const name = rest.slice(colon + 1);
  if (name === '' || object === '') {
    throw new UsageError(`trigger: ${JSON.stringify(text)} is not symbol:[OBJECT:]FUNCTION`);
  }
  return { text, kind: 'symbol', object, name };
}

function parseAddress(text: string, rest: string): string {
  if (/^[0-9]+$/.test(rest)) {
    const port = Number(rest);
    if (port < 1 || port > 65535) throw new UsageError(`trigger: port ${rest} in ${text} (1 to 65535)`);
    return `tcp:${port}`;
  }
  if (rest.startsWith('/') || rest.startsWith('@')) return `unix:${rest}`;
  throw new UsageError(
    `trigger: ${JSON.stringify(text)} is not listen:PORT or listen:/PATH (a socket path is absolute, an abstract name begins with @)`,
  );
}

function parsePattern(text: string, rest: string): string {
  const match = /^\/(.+)\/$/s.exec(rest);
  if (match === null) throw new UsageError(`trigger: ${JSON.stringify(text)} is not output:/REGEX/`);
  try {
    return new RegExp(match[1] as string, 'u').source;
  } catch (error) {
    throw new UsageError(`trigger: ${text}: ${(error as Error).message}`, { cause: error });
  }
}
