import type { VNode } from 'preact';
import { formatDuration } from '../base/duration.ts';
import { escapeText } from '../report/escape.ts';
import type { LiveView } from './live-feed.ts';

/** How the trace goes on that the page follows. */
export function LiveState({ live }: { readonly live: LiveView['state'] }): VNode {
  return (
    <div class={`live live-${live.kind}`}>
      <span class="lamp" aria-hidden="true" />
      {/* The time is not announced: it changes all the while. */}
      <span role="status">{words(live)}</span>
      {live.kind === 'running' && <span class="elapsed"> {formatDuration(live.at)}</span>}
    </div>
  );
}

function words(live: LiveView['state']): string {
  switch (live.kind) {
    case 'connecting':
      return 'Connecting to callgate …';
    case 'running':
      return 'Tracing: the page is updated as calls appear.';
    case 'ended':
      return `Ended: ${escapeText(live.words)}`;
    case 'lost':
      return 'The connection to callgate is lost; this is what was seen by then. Trying again …';
  }
}
