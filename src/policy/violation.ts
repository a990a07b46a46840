import { errnoName, errnoNumber } from '../abi/errno.ts';
import { KILL_PROCESS, LOG, MAX_ERRNO, TRAP, type Action } from './filter/action.ts';

/** What happens to a known call that is not allowed, unless something else is said. */
export const DEFAULT_VIOLATION = 'errno:EPERM';

/**
 * The action for `kill` (the whole process), `trap`, `log` (the call is made: nothing is blocked), `errno` (EPERM) or
 * `errno:NAME`, where NAME may be a number; null for anything else.
 */
export function violationAction(text: string): Action | null {
  switch (text) {
    case 'kill':
      return KILL_PROCESS;
    case 'trap':
      return TRAP;
    case 'log':
      return LOG;
    case 'errno':
      return { kind: 'errno', errno: 1 };
  }
  const [, name = ''] = /^errno:([A-Z][A-Z0-9]*|[1-9][0-9]{0,3})$/.exec(text) ?? [];
  const errno = /^[0-9]/.test(name) ? Number(name) : errnoNumber(name);
  // Numbers from 512 on are the kernel's own requests to restart a call; no program may see them.
  return errno === null || name === '' || errno > MAX_ERRNO || (errno >= 512 && errno <= 530)
    ? null
    : { kind: 'errno', errno };
}

/** The same action in its one spelling, such as `errno:EPERM` for `errno` and `errno:1`; null if it is none. */
export function canonicalViolation(text: string): string | null {
  const action = violationAction(text);
  if (action === null) return null;
  return action.kind === 'errno' ? `errno:${errnoName(action.errno) ?? action.errno}` : text;
}
