import { useEffect, useRef, useState } from 'preact/hooks';
import type { VNode } from 'preact';

/**
 * A chart of Observable Plot, drawn anew when its width or `draw` changes.
 *
 * @param props.label says what the chart shows, for those who do not see it; the numbers themselves stand beside it
 */
export function PlotFigure(props: {
  readonly label: string;
  readonly draw: (width: number) => SVGSVGElement | HTMLElement;
}): VNode {
  const { label, draw } = props;
  const holder = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (holder.current === null || width === 0) return;
    const chart = draw(width);
    // The page's own style has these rules: a style that is made by a script is not let in.
    for (const style of chart.querySelectorAll('style')) style.remove();
    chart.setAttribute('aria-hidden', 'true');
    holder.current.replaceChildren(chart);
  }, [draw, width]);
  return <div class="plot" role="img" aria-label={label} ref={holder} />;
}
