import type { Arch } from '../abi/arch.ts';
import type { Policy } from '../policy/model.ts';
import type { Profile } from '../profile/model.ts';

/** A foreign file. */
export interface ImportInput {
  readonly bytes: Uint8Array;
  /** Names the file in errors and in what is made of it; printable. */
  readonly source: string;
  /** Arch of calls of which the file does not say it: that of the machine. */
  readonly arch: Arch;
  /** When the file was written, ISO 8601, for formats without times. */
  readonly written: string;
  /** Path of the program that the file is about, for formats that do not name it; null if nobody knows. */
  readonly program: string | null;
}

/** What was read, and what could not be carried over or had to be assumed: one line each, for people. */
export type Imported =
  | { readonly kind: 'policy'; readonly policy: Policy; readonly remarks: readonly string[] }
  | { readonly kind: 'profile'; readonly profile: Profile; readonly remarks: readonly string[] };

/** One foreign format. */
export interface Importer {
  /** As on the command line. */
  readonly name: string;
  readonly description: string;
  /** Whether a file looks like this format: the first importer of the list that says so reads it. */
  readonly recognises: (bytes: Uint8Array, text: string) => boolean;
  /** @throws FormatError if the file is not of this format */
  readonly read: (input: ImportInput) => Imported;
}
