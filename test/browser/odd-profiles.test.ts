import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Profile } from '../../src/profile/model.ts';
import { escapeText } from '../../src/report/escape.ts';
import { serverProfile } from '../../src/report/testing/server-profile.ts';
import { temporaryDirectory } from '../support/callgate.ts';
import { startBrowser, withReport } from './browser.ts';
import { PageCost } from './page-cost.ts';
import { chainedProfile, emptyProfile, HOSTILE, hostileProfile, largeProfile } from './profiles.ts';

let browser: Browser;
const directory = temporaryDirectory();

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  directory[Symbol.dispose]();
});

describe('a report', () => {
  test('shows hostile strings as text: no element, no script, no invisible or reordering character', async () => {
    await withReport(browser, [save('hostile.json', hostileProfile())], async (page) => {
      expect(await page.locator('img, body > script').count()).toBe(2);
      expect(await page.title()).toContain('hostile.json');
      const rows = await page.locator('.tree-row .who').allTextContents();
      expect(rows.length).toBe(HOSTILE.length);
      for (const [index, text] of HOSTILE.entries()) {
        const last = escapeText(text.slice(text.lastIndexOf('/') + 1));
        expect(rows[index]).toContain(`${index + 1} ${last}`.trimEnd());
      }
      const all = await page.locator('main').innerText();
      expect(all).not.toMatch(/[\p{Cf}\p{Cs}\u2028\u2029\u0000-\u0008\u000b-\u001f]/u);
      await page.locator('#calls').getByRole('link', { name: 'ioctl' }).click();
      expect(await page.getByRole('complementary').innerText()).toContain('0xffffffffffffffff');
    });
  });

  test('of an empty profile says that there is nothing', async () => {
    await withReport(browser, [save('empty.json', emptyProfile())], async (page) => {
      expect(await page.locator('#overview b').first().textContent()).toBe('0');
      expect(await page.locator('#processes').textContent()).toContain('No process was seen');
      expect(await page.locator('#phases').textContent()).toContain('nothing to split');
      expect(await page.locator('#calls tbody tr').count()).toBe(0);
    });
  });

  test('of a profile without phases has one column of calls, and a handle at the end that can be tried', async () => {
    const { phases, processes, ...rest } = serverProfile();
    const profile: Profile = {
      ...rest,
      phases: phases.slice(0, 1),
      processes: processes.map((process) => ({
        ...process,
        transitions: [{ phase: 0, at: process.start }],
        calls: process.calls.map(({ waits: _waits, ...call }) => ({ ...call, phases: [0] })),
      })),
    };
    await withReport(browser, [save('plain.json', profile)], async (page) => {
      expect(await page.locator('.phase-head').count()).toBe(0);
      const handle = page.getByRole('slider');
      expect(await handle.getAttribute('aria-valuetext')).toContain('all is setup');
      await handle.focus();
      await page.keyboard.press('Shift+ArrowLeft');
      expect(await page.locator('.split-words code').textContent()).toContain('--at after:');
    });
  });

  test('of ten documents at once has a column for each, and all of them in the table', async () => {
    const files = Array.from({ length: 10 }, (_, index) => save(`run-${index}.json`, serverProfile()));
    await withReport(browser, files, async (page) => {
      expect(await page.locator('.facts tbody tr').count()).toBe(10);
      expect(await page.locator('.matrix .document').count()).toBe(10);
      const phases = serverProfile().phases.length;
      expect(await page.locator('.matrix tbody tr').first().locator('.mark-cell').count()).toBe(10 * phases);
      expect(await page.locator('#growth').textContent()).toContain('in 10 runs of all profiles together');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    });
  });

  test('leads to the chain by which code gets to a call, from an address as well', async () => {
    const file = save('chained.json', chainedProfile());
    await withReport(
      browser,
      [file],
      async (page) => {
        const steps = page.locator('.chains details[open] li');
        expect(await steps.allInnerTexts()).toEqual([
          expect.stringMatching(/begins at _start/),
          expect.stringMatching(/calls main/),
          expect.stringMatching(/calls by import ptrace.*libc\.so\.6/),
          expect.stringMatching(/enters the kernel in ptrace.*0x1234/),
        ]);
        expect(await page.getByRole('complementary').innerText()).toContain('Dangerous: ');
      },
      { hash: '#call=ptrace' },
    );
  });

  test('of a trace and of code says what no run has made, and what a policy of the one lacks', async () => {
    const seen = serverProfile();
    const program = seen.programs[0]?.path ?? '';
    const [code] = chainedProfile().programs;
    if (code === undefined) throw new Error('no program');
    const read = { ...chainedProfile(), programs: [{ ...code, path: program }] };
    await withReport(browser, [save('seen.json', seen), save('read.json', read)], async (page) => {
      const table = page.locator('.suspects tbody tr');
      expect(await table.count()).toBe(1);
      expect(await table.first().innerText()).toMatch(/ptrace.*4 steps.*dangerous/s);
      expect(await page.locator('#changes').textContent()).toMatch(/Opened.*ptrace/s);
      await table.getByRole('link', { name: 'ptrace' }).click();
      const steps = page.locator('.chains details[open] li');
      await steps.first().waitFor();
      expect(await steps.count()).toBe(4);
    });
  });

  test('of 500 processes with 350 calls each opens at once, draws what is seen, and stays smooth', async () => {
    const file = save('large.json', largeProfile(500, 350));
    let cost: PageCost | undefined;
    const prepare = async (page: Page): Promise<void> => {
      cost = await PageCost.start(page);
    };
    await withReport(
      browser,
      [file],
      async (page) => {
        if (cost === undefined) throw new Error('nothing was measured');
        const opened = await cost.spent();
        const unit = await cost.unit();
        // Half a second; an object for each of 175,000 uses would take two units more, and 30 MB.
        expect(opened / unit).toBeLessThan(9);
        expect(await cost.heap()).toBeLessThan(20);
        expect(await page.locator('.tree-row').count()).toBeLessThan(80);
        expect(await page.locator('*').count()).toBeLessThan(10_000);
        await page.locator('.tree-row').first().focus();
        await page.keyboard.press('End');
        await page.locator('.tree-row[data-place="599"]:focus').waitFor();
        expect(await page.locator('.span').count()).toBe(350);
        const before = await cost.spent();
        await dragAcross(page);
        // A frame of 60 a second for each of 40 moves is 7 units.
        expect((await cost.spent()) - before).toBeLessThan(12 * unit);
      },
      { prepare },
    );
  });

  test('of a narrow window has its marks below the headings of their columns', async () => {
    const files = [save('seen.json', serverProfile()), save('read.json', chainedProfile())];
    await withReport(
      browser,
      files,
      async (page) => {
        const leftOf = (selector: string): Promise<number | undefined> =>
          page
            .locator(selector)
            .first()
            .boundingBox()
            .then((box) => box?.x);
        await page.locator('#calls').scrollIntoViewIfNeeded();
        expect(await leftOf('.matrix .phase-head')).toBe(await leftOf('.matrix tbody .mark-cell'));
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      },
      { viewport: { width: 420, height: 800 } },
    );
  });

  test('prints all lines of the tree, and no controls', async () => {
    await withReport(browser, [save('large-print.json', largeProfile(120, 3))], async (page) => {
      await page.emulateMedia({ media: 'print' });
      await page.locator('.tree-row[data-place="143"]').waitFor();
      expect(await page.locator('.tree-row').count()).toBe(144);
      expect(await page.locator('header').isVisible()).toBe(false);
      expect((await page.pdf()).length).toBeGreaterThan(10_000);
    });
  });

  test.each(['light', 'dark'] as const)(
    'has text that stands out and names for all controls, %s',
    async (colorScheme) => {
      await withReport(
        browser,
        [save('server.json', serverProfile()), save('other.json', chainedProfile())],
        async (page) => {
          expect(await page.evaluate(LOW_CONTRASTS)).toEqual([]);
          expect(await page.evaluate(NAMELESS)).toEqual([]);
          expect(await page.locator('h1').count()).toBe(1);
          expect(await page.locator('main, header, nav').count()).toBe(3);
          await page.keyboard.press('Tab');
          expect(await page.locator(':focus').textContent()).toBe('Skip to the report');
          await page.evaluate(axe.source);
          await page.locator('#calls').getByRole('link', { name: 'ptrace', exact: true }).click();
          await page.getByRole('complementary').waitFor();
          expect(await page.evaluate(VIOLATIONS)).toEqual([]);
        },
        { colorScheme },
      );
    },
  );

  test('keeps the colours that were chosen', async () => {
    await withReport(browser, [save('server.json', serverProfile())], async (page) => {
      const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
      const before = await ground();
      await page.getByLabel('Dark').click();
      expect(await ground()).not.toBe(before);
      await page.getByLabel('Light').click();
      expect(await ground()).toBe(before);
    });
  });
});

/** Texts of less contrast with the page than WCAG 2 asks for (4.5), as `text: contrast`. */
const LOW_CONTRASTS = `(() => {
  const channels = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((value) => {
    const share = Number(value) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = (color) => { const [r, g, b] = channels(color); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const groundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$/.test(color)) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  return [...document.querySelectorAll('main *, header *')].flatMap((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (!own || element.closest('svg, option, .hidden') !== null) return [];
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return contrast < 4.5 ? [element.textContent.slice(0, 40) + ': ' + contrast.toFixed(1)] : [];
  });
})()`;

/** What the rules of WCAG say that a program can check, as `rule: element`. */
const VIOLATIONS = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 120))))`;

/** Controls and pictures without a name. */
const NAMELESS = `[...document.querySelectorAll('a, button, input, select, summary, [role=slider], [role=img], [role=treegrid], [role=region]')]
  .filter((element) => (element.getAttribute('aria-label') ?? '') === '' && (element.textContent ?? '').trim() === ''
    && (element.closest('label')?.textContent ?? '').trim() === '')
  .map((element) => element.outerHTML.slice(0, 120))`;

/** Drags the handle over the whole axis in 40 moves. */
async function dragAcross(page: Page): Promise<void> {
  const track = page.locator('.handle-track');
  await track.scrollIntoViewIfNeeded();
  const box = await track.boundingBox();
  if (box === null) throw new Error('the handle is not to be seen');
  await page.mouse.move(box.x + 5, box.y + 12);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 5, box.y + 12, { steps: 40 });
  await page.mouse.up();
  expect(Number(await page.locator('#main-size').textContent())).toBeLessThan(350);
}

function save(name: string, profile: Profile): string {
  const file = join(directory.path, name);
  writeFileSync(file, JSON.stringify(profile));
  return file;
}
