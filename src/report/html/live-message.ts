import type { Completeness } from '../../profile/completeness.ts';
import type { PageDocument } from './page-data.ts';
import type { PackedProfile } from './packed-profile.ts';

/** First message to a page that follows a trace: all that is known by now. `PackedChanges` follow. */
export interface LiveWhole {
  readonly label: string;
  /** Nanoseconds since the start of the run. */
  readonly at: number;
  readonly profile: PackedProfile;
}

/** Last message: how it ended, and the profile as it was written. */
export interface LiveEnd {
  readonly words: string;
  /** Null if the trace failed before anything was seen. */
  readonly document: PageDocument | null;
  readonly completeness: Completeness | null;
}
