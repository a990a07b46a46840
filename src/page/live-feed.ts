import type { Completeness } from '../profile/completeness.ts';
import type { Profile } from '../profile/model.ts';
import { applyChanges, unpackChanges, type PackedChanges } from '../report/html/live-delta.ts';
import type { LiveEnd, LiveWhole } from '../report/html/live-message.ts';
import { unpackProfile } from '../report/html/packed-profile.ts';
import { toProfileView, type ProfileView } from './documents.ts';

/** What a page that follows a trace shows. */
export interface LiveView {
  readonly state:
    | { readonly kind: 'connecting' }
    | { readonly kind: 'running'; readonly at: number }
    | { readonly kind: 'ended'; readonly words: string }
    /** callgate is gone without an end. */
    | { readonly kind: 'lost' };
  /** Null if it is as before. */
  readonly document: ProfileView | null;
  readonly completeness: Completeness | null;
}

/**
 * Follows the trace from which the page comes.
 *
 * @returns what ends it
 */
export function followTrace(onView: (view: LiveView) => void): () => void {
  const source = new EventSource('events');
  let label = '';
  let profile: Profile | null = null;
  let hasEnded = false;
  const tell = (state: LiveView['state'], document: ProfileView | null = null): void =>
    onView({ state, document, completeness: null });
  source.addEventListener('whole', (event: MessageEvent<string>) => {
    const whole = JSON.parse(event.data) as LiveWhole;
    label = whole.label;
    profile = unpackProfile(whole.profile);
    tell({ kind: 'running', at: whole.at }, toProfileView(label, profile, []));
  });
  source.addEventListener('changes', (event: MessageEvent<string>) => {
    if (profile === null) return;
    const changes = unpackChanges(JSON.parse(event.data) as PackedChanges);
    profile = applyChanges(profile, changes);
    tell({ kind: 'running', at: changes.at }, toProfileView(label, profile, []));
  });
  source.addEventListener('ended', (event: MessageEvent<string>) => {
    hasEnded = true;
    // The page has all that there will be: asking again would only fail once callgate is gone.
    source.close();
    const { words, document, completeness } = JSON.parse(event.data) as LiveEnd;
    const view =
      document?.kind === 'profile'
        ? toProfileView(document.label, unpackProfile(document.profile), document.splits)
        : null;
    onView({ state: { kind: 'ended', words }, document: view, completeness });
  });
  source.addEventListener('error', () => {
    if (!hasEnded) tell({ kind: 'lost' });
  });
  return () => source.close();
}
