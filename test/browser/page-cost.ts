import type { CDPSession, Page } from 'playwright-core';

/**
 * Measures what a page costs in processor time of its main thread, in units of a fixed piece of work in the same page: unlike
 * time on a clock, that does not depend on what else the machine does.
 */
export class PageCost {
  readonly #page: Page;
  readonly #session: CDPSession;

  private constructor(page: Page, session: CDPSession) {
    this.#page = page;
    this.#session = session;
  }

  /** Begins to measure; to be called before the page is opened. */
  static async start(page: Page): Promise<PageCost> {
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    return new PageCost(page, session);
  }

  /** Seconds of the main thread up to now. */
  async spent(): Promise<number> {
    return await this.#metric('TaskDuration');
  }

  /** Seconds that a fixed piece of work takes: a tenth of a second on a machine of 2024. */
  async unit(): Promise<number> {
    const before = await this.spent();
    await this.#page.evaluate(WORK);
    return (await this.spent()) - before;
  }

  /** Megabytes of objects that the page keeps. */
  async heap(): Promise<number> {
    await this.#session.send('HeapProfiler.collectGarbage');
    return (await this.#metric('JSHeapUsedSize')) / 1e6;
  }

  async #metric(wanted: string): Promise<number> {
    const { metrics } = await this.#session.send('Performance.getMetrics');
    const found = metrics.find(({ name }) => name === wanted);
    if (found === undefined) throw new Error(`Chromium does not tell ${wanted}`);
    return found.value;
  }
}

const WORK = `(() => {
  const rows = Array.from({ length: 60000 }, (_, id) => ({ id, name: 'call ' + (id % 350), at: id * 1.5 }));
  let read = 0;
  for (let round = 0; round < 4; round++) read += JSON.parse(JSON.stringify(rows)).length;
  return read;
})()`;
