import { existsSync, realpathSync } from 'node:fs';
import { callKey } from '../profile/call-union.ts';
import type { Profile } from '../profile/model.ts';
import { callSet } from '../profile/sets.ts';
import type { StudySet } from './ledger.ts';

/**
 * What a profile says of one program: its set as a whole, then one for each phase if there are several.
 *
 * The execve by which a tracer starts the program is left out. A program that the profile does not name, as in what
 * other tools write, stands for all that the profile holds.
 */
export function setsOf(profile: Profile, program: string): readonly StudySet[] {
  // A tracer names the file that is executed, which `program` may be a link to.
  const named = [program, existsSync(program) ? realpathSync(program) : program].find((path) =>
    profile.programs.some((known) => known.path === path),
  );
  const filter = named === undefined ? {} : { program: named };
  const list = (phase: string | null): StudySet => ({
    phase,
    calls: callSet(profile, phase === null ? filter : { ...filter, phase })
      .filter(({ launch }) => launch !== true)
      .map(callKey),
  });
  const phases = profile.phases.length > 1 ? profile.phases.map(({ name }) => list(name)) : [];
  return [list(null), ...phases];
}
