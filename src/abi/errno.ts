import { ERRNO_ALIASES, ERRNOS } from './generated/errnos.ts';

/**
 * Results by which the kernel asks its own signal code to restart a call. A program never sees them, a tracer at an
 * exit-stop does. Source: include/linux/errno.h.
 */
const RESTARTS: readonly (readonly [number, string])[] = [
  [512, 'ERESTARTSYS'],
  [513, 'ERESTARTNOINTR'],
  [514, 'ERESTARTNOHAND'],
  [516, 'ERESTART_RESTARTBLOCK'],
];

interface Tables {
  readonly names: ReadonlyMap<number, string>;
  readonly numbers: ReadonlyMap<string, number>;
}

let tables: Tables | undefined;

/**
 * Name of a positive error number, such as `ENOENT` for 2, or null for an unknown one. Of two names it is the one that
 * the other is defined by: `EAGAIN`, not `EWOULDBLOCK`. The numbers are those of asm-generic, which all arches of
 * callgate use.
 */
export function errnoName(errno: number): string | null {
  return load().names.get(errno) ?? null;
}

/** What an error is called in messages: its name, or its number where there is none. */
export function errnoText(errno: number): string {
  return errnoName(errno) ?? `errno ${errno}`;
}

/** Positive error number of a name, second names such as `EWOULDBLOCK` and glibc's `ENOTSUP` included, or null. */
export function errnoNumber(name: string): number | null {
  return load().numbers.get(name) ?? null;
}

function load(): Tables {
  if (tables !== undefined) return tables;
  const rows = [...parseRows(ERRNOS), ...RESTARTS];
  const numbers = new Map([...rows, ...parseRows(ERRNO_ALIASES)].map(([errno, name]) => [name, errno]));
  // ENOTSUP is POSIX's name; glibc's bits/errno.h defines it as EOPNOTSUPP.
  numbers.set('ENOTSUP', numbers.get('EOPNOTSUPP') ?? 95);
  tables = { names: new Map(rows), numbers };
  return tables;
}

function parseRows(text: string): (readonly [number, string])[] {
  return text
    .trim()
    .split('\n')
    .map((row) => {
      const [errno, name] = row.split(' ');
      return [Number(errno), name ?? ''] as const;
    });
}
