import { useEffect, useState } from 'preact/hooks';
import type { Completeness } from '../profile/completeness.ts';
import type { PageData, PageDiff, PageSuspects } from '../report/html/page-data.ts';
import { toView, type DocumentView } from './documents.ts';
import { followTrace, type LiveView } from './live-feed.ts';

/** What the page shows now. */
export interface ShownData {
  readonly documents: readonly DocumentView[];
  readonly diff: PageDiff | null;
  readonly completeness: Completeness | null;
  readonly suspects: readonly PageSuspects[];
  /** Null unless the page is about a trace that goes on, or has gone on. */
  readonly live: LiveView['state'] | null;
}

/** The page's data; for a live page they change as the trace goes on. */
export function usePageData(data: PageData): ShownData {
  const [documents, setDocuments] = useState<readonly DocumentView[]>(() => data.documents.map(toView));
  const [completeness, setCompleteness] = useState(data.completeness);
  const [live, setLive] = useState<LiveView['state'] | null>(data.live ? { kind: 'connecting' } : null);
  useEffect(() => {
    if (!data.live) return;
    return followTrace((view) => {
      setLive(view.state);
      if (view.document !== null) setDocuments([view.document]);
      if (view.completeness !== null) setCompleteness(view.completeness);
    });
  }, [data]);
  return { documents, diff: data.diff, completeness, suspects: data.suspects, live };
}
