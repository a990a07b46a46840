import type { Call } from '../profile/model.ts';
import type { Imported, ImportInput } from './importer.ts';
import { finishProfile, importedCall, type ProfileDraft } from './profile-draft.ts';
import type { Remarks } from './remarks.ts';

/** Largest number that a call of a list can have: below the bit of x32. */
const NUMBER_CAP = 0x3fffffff;

/** Whether a value is a number that a call can have. */
export function isCallNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= NUMBER_CAP;
}

/** What another tool's analysis says of one program: a profile without processes. */
export function finishAnalysis(
  input: ImportInput,
  analysis: {
    /** As the file has it; null if it names none. */
    readonly program: string | null;
    readonly calls: readonly Call[];
    readonly later?: ProfileDraft['later'];
  },
  remarks: Remarks,
): Imported {
  const path = input.program ?? analysis.program ?? input.source;
  return finishProfile(
    {
      command: [path],
      start: input.written,
      duration: 0,
      arch: input.arch,
      programs: [{ path, buildId: null, calls: analysis.calls }],
      processes: [],
      ...(analysis.later === undefined ? {} : { later: analysis.later }),
      incomplete: ['Read from the result of an analysis by another tool.'],
    },
    remarks,
  );
}

/** Calls with these numbers, each once, in the phases given. */
export function callsWithNumbers(
  input: ImportInput,
  numbers: Iterable<number>,
  fields: (nr: number) => Partial<Call> = () => ({}),
): readonly Call[] {
  return [...new Set(numbers)].sort((a, b) => a - b).map((nr) => importedCall(input.arch, nr, fields(nr)));
}
