import { CAP } from '../abi/capabilities.ts';
import { haveCapability, type Facts } from './facts.ts';

/** Something about the surroundings that is neither good nor bad. */
export interface Note {
  readonly name: string;
  readonly detail: string;
  /** What it means for tracing, or null. */
  readonly meaning: string | null;
}

/** The surroundings that explain the checks; empty on a plain machine as root. */
export function describeSurroundings(facts: Facts): Note[] {
  return [...containerNotes(facts), ...processNotes(facts)];
}

function containerNotes({ containerHints, allUsersMapped }: Facts): Note[] {
  const notes: Note[] = [];
  if (containerHints.length > 0) {
    notes.push({
      name: 'container',
      detail: `likely, by ${containerHints.join(', ')}`,
      meaning: 'its seccomp profile and capabilities bound what can be traced',
    });
  }
  if (allUsersMapped === false) {
    notes.push({
      name: 'user namespace',
      detail: 'not all user ids are mapped',
      meaning: 'capabilities count for processes of this namespace only',
    });
  }
  return notes;
}

function processNotes(facts: Facts): Note[] {
  const { self } = facts;
  if (self === null) return [];
  const notes: Note[] = [];
  if (self.tracerPid !== 0) {
    notes.push({
      name: 'traced',
      detail: `callgate itself is traced by pid ${self.tracerPid}`,
      meaning: 'a process has one tracer: if that one follows children, callgate cannot trace them',
    });
  }
  if (self.noNewPrivs === true) {
    notes.push({
      name: 'no_new_privs',
      detail: 'already set',
      meaning: 'set-user-ID programs gain nothing here, traced or not',
    });
  } else if (!haveCapability(facts, CAP.SYS_ADMIN)) {
    notes.push({
      name: 'no_new_privs',
      detail: 'set for programs that are traced by method seccomp',
      meaning: 'set-user-ID programs (sudo, ping) run without their privilege while traced',
    });
  }
  if (self.seccompMode === 1 || self.seccompMode === 2) {
    const count =
      self.seccompFilters === null
        ? ''
        : `, ${self.seccompFilters} filter${self.seccompFilters === 1 ? '' : 's'}`;
    notes.push({
      name: 'seccomp',
      detail: `already on this process: mode ${self.seccompMode}${count}`,
      meaning:
        'programs inherit it, and what it denies or kills for never reaches a stop of method seccomp; --method ptrace sees those calls too',
    });
  }
  return notes;
}
