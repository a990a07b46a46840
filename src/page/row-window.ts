import { useEffect, useState } from 'preact/hooks';
import type { RefObject } from 'preact';

/** Lines beyond the visible ones, so that a fast scroll shows no gap. */
const MARGIN = 12;

/** Which lines of a long list are to be drawn. */
export interface RowWindow {
  readonly first: number;
  readonly count: number;
  /** Scrolls so that a line is seen. */
  readonly show: (place: number) => void;
}

/** Draws only the lines that are seen, all of them on paper; lines are `height` pixels high, `holder` scrolls. */
export function useRowWindow(holder: RefObject<HTMLElement | null>, rows: number, height: number): RowWindow {
  const [area, setArea] = useState({ top: 0, height: 480 });
  const [isPrinting, setPrinting] = useState(false);
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const measure = (): void => setArea({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, [holder]);
  useEffect(() => {
    const media = matchMedia('print');
    const update = (): void => setPrinting(media.matches);
    media.addEventListener('change', update);
    return () => media.removeEventListener('change', update);
  }, []);
  const show = (place: number): void => {
    const element = holder.current;
    if (element === null) return;
    const top = place * height;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + height - element.clientHeight;
    }
    setArea({ top: element.scrollTop, height: element.clientHeight });
  };
  if (isPrinting) return { first: 0, count: rows, show };
  const first = Math.max(0, Math.floor(area.top / height) - MARGIN);
  return { first, count: Math.ceil(area.height / height) + 2 * MARGIN, show };
}
