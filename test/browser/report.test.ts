import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recut } from '../../src/profile/recut.ts';
import { callSet } from '../../src/profile/sets.ts';
import { splitAt } from '../../src/profile/splits.ts';
import type { SplitDocument } from '../../src/report/split-json.ts';
import { callgate, readProfile, temporaryDirectory } from '../support/callgate.ts';
import { startBrowser, withReport } from './browser.ts';

const REDIS_PORT = 16_399;
const NGINX_PORT = 18_399;

let browser: Browser;
const directory = temporaryDirectory();
const redis = join(directory.path, 'redis.json');
const nginx = join(directory.path, 'nginx.json');

beforeAll(async () => {
  browser = await startBrowser();
  trace(
    redis,
    `listen:${REDIS_PORT}`,
    `redis-benchmark -p ${REDIS_PORT} -q -n 200 -c 4 -t ping,set,get; redis-cli -p ${REDIS_PORT} bgsave`,
    [
      'redis-server',
      '--port',
      `${REDIS_PORT}`,
      '--dir',
      directory.path,
      '--save',
      '',
      '--loglevel',
      'warning',
    ],
  );
  const config = join(directory.path, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; worker_processes 3; error_log stderr; pid ${directory.path}/pid;
    events { worker_connections 64; }
    http { access_log off; server { listen 127.0.0.1:${NGINX_PORT}; root /usr/share/doc; } }`,
  );
  trace(
    nginx,
    `listen:${NGINX_PORT}`,
    `for i in 1 2 3 4 5; do curl -s http://127.0.0.1:${NGINX_PORT}/bash/ >/dev/null; done`,
    ['nginx', '-p', directory.path, '-c', config],
  );
}, 240_000);

afterAll(async () => {
  await browser.close();
  directory[Symbol.dispose]();
});

describe('the report of redis-server', () => {
  test('opens from its file without a word on the console, and shows the numbers of the profile', async () => {
    await withReport(browser, [redis], async (page) => {
      const profile = readProfile(redis);
      expect(await page.locator('h1').textContent()).toContain('redis-server --port');
      expect(await figures(page, '#overview')).toMatchObject({
        'system calls used': `${callSet(profile).length}`,
        'in setup': `${callSet(profile, { phase: 'setup' }).length}`,
        'in main': `${callSet(profile, { phase: 'main' }).length}`,
      });
      expect(await page.locator('#calls tbody tr').count()).toBe(callSet(profile).length);
    });
  });

  test('each split of the list gives the numbers of callgate phases --at', async () => {
    await withReport(browser, [redis], async (page) => {
      const choice = page.getByLabel('Split at');
      const options = (await choice.locator('option').allTextContents()).slice(1);
      expect(options.length).toBeGreaterThan(1);
      for (const [index, text] of options.entries()) {
        await choice.selectOption(`${index}`);
        const trigger =
          (await page.locator('.split-words code').textContent())?.replace(/^.* --at /, '') ?? '';
        expect(text).toContain(trigger === 'auto' ? '(proposed)' : trigger);
        await expectNumbersOf(page, trigger);
      }
    });
  });

  test('the handle is dragged by mouse, and the numbers are those of callgate phases --at on the way', async () => {
    await withReport(browser, [redis], async (page) => {
      const track = page.locator('.handle-track');
      await track.scrollIntoViewIfNeeded();
      const box = await track.boundingBox();
      if (box === null) throw new Error('the handle is not to be seen');
      const handle = await page.locator('.handle').boundingBox();
      const y = box.y + 12;
      await page.mouse.move(handle?.x ?? 0, y);
      await page.mouse.down();
      const seen = new Set<string>();
      for (const share of [0.2, 0.45, 0.7, 0.9]) {
        await page.mouse.move(box.x + share * box.width, y, { steps: 4 });
        seen.add(await expectShownSplit(page));
      }
      await page.mouse.up();
      const last = await page.locator('.split-words code').textContent();
      await page.mouse.move(box.x + 0.1 * box.width, y);
      // Let go of, it stays where it is.
      expect(await page.locator('.split-words code').textContent()).toBe(last);
      expect(seen.size).toBe(4);
    });
  });

  test('the handle is moved by keys, from mark to mark as well, and says what it does', async () => {
    await withReport(browser, [redis], async (page) => {
      const handle = page.getByRole('slider', { name: 'Split between setup and main' });
      await handle.focus();
      const valueOf = async (): Promise<number> => Number(await handle.getAttribute('aria-valuenow'));
      const before = await valueOf();
      for (let press = 0; press < 5; press++) await page.keyboard.press('ArrowRight');
      expect(await valueOf()).not.toBe(before);
      await expectShownSplit(page);
      await page.keyboard.press('Shift+ArrowLeft');
      await expectShownSplit(page);
      await page.keyboard.press('End');
      expect(await handle.getAttribute('aria-valuetext')).toContain('all is setup');
      await page.keyboard.press('PageDown');
      expect(await valueOf()).toBeLessThan(1000);
      const blocked = await expectShownSplit(page);
      expect(await handle.getAttribute('aria-valuetext')).toContain(
        `main blocks ${blocked.split(' ').at(-1)} more`,
      );
      await page.keyboard.press('Home');
      expect(await valueOf()).toBe(0);
    });
  });

  test('calls are filtered by name and purpose, and sorted', async () => {
    await withReport(browser, [redis], async (page) => {
      const names = (): Promise<readonly string[]> => page.locator('#calls tbody th').allTextContents();
      const all = await names();
      await page.getByLabel('Filter').fill('epoll');
      expect(await names()).toEqual(all.filter((name) => name.includes('epoll')));
      await page.getByLabel('Filter').fill('starts children no such words');
      expect(await names()).toEqual([]);
      await page.getByRole('button', { name: 'Show all' }).click();
      expect(await names()).toEqual(all);
      await page.getByRole('button', { name: /^Uses/ }).click();
      const counts = (await page.locator('#calls tbody tr td:nth-last-child(2)').allTextContents()).map(
        (text) => Number(text.replaceAll(',', '')),
      );
      expect(counts).toEqual(counts.toSorted((a, b) => b - a));
      expect(await page.locator('#calls th[aria-sort="descending"]').textContent()).toContain('Uses');
    });
  });

  test('a call leads to who makes it, since when, with which arguments, and Escape back', async () => {
    await withReport(browser, [redis], async (page) => {
      const link = page.locator('#calls tbody').getByRole('link', { name: 'openat', exact: true });
      await link.focus();
      await page.keyboard.press('Enter');
      const detail = page.getByRole('complementary');
      await detail.waitFor();
      expect(await page.locator(':focus').getAttribute('id')).toBe('detail-title');
      const profile = readProfile(redis);
      const users = profile.processes.filter(({ calls }) => calls.some(({ name }) => name === 'openat'));
      expect(await detail.locator('.users tbody tr').count()).toBe(users.length);
      expect(await detail.textContent()).toContain(`First made by redis-server (pid ${users[0]?.pid})`);
      expect(await detail.textContent()).toContain('O_RDONLY');
      await page.keyboard.press('Escape');
      await detail.waitFor({ state: 'detached' });
      expect(await page.locator(':focus').textContent()).toBe('openat');
    });
  });
});

describe('the report of nginx', () => {
  test('shows the tree of processes, to be opened and closed by keys, and the calls of one of them', async () => {
    await withReport(browser, [nginx], async (page) => {
      const profile = readProfile(nginx);
      const tree = page.getByRole('treegrid');
      const rows = tree.locator('.tree-row');
      expect(await rows.count()).toBe(profile.processes.length);
      expect(await rows.first().getAttribute('aria-expanded')).toBe('true');
      await rows.first().focus();
      await page.keyboard.press('ArrowLeft');
      expect(await rows.count()).toBe(1);
      await page.keyboard.press('ArrowRight');
      expect(await rows.count()).toBe(profile.processes.length);
      await page.keyboard.press('ArrowDown');
      await page.locator('.tree-row[data-place="1"]:focus').waitFor();
      await page.keyboard.press('Enter');
      const worker = profile.processes[1];
      await page
        .getByRole('status')
        .filter({ hasText: `of pid ${worker?.pid}` })
        .waitFor();
      expect(await page.locator('#calls tbody tr').count()).toBe(worker?.calls.length);
    });
  });

  test('compared with redis: a matrix of both, what a policy opens and closes, growth over two runs', async () => {
    await withReport(browser, [redis, nginx], async (page) => {
      const [a, b] = [redis, nginx].map(
        (file) => new Set(callSet(readProfile(file)).map(({ name }) => name)),
      );
      await page.locator('#calls select').first().selectOption('one');
      const names = await page.locator('#calls tbody th').allTextContents();
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => a?.has(name) === b?.has(name))).toEqual([]);
      expect(await page.locator('#changes').textContent()).toContain('Opened');
      expect(await page.locator('#growth').textContent()).toContain('in 2 runs of all profiles together');
      await page.getByLabel('Profile').first().selectOption({ label: 'nginx.json' });
      expect(await page.locator('.tree-row').count()).toBe(readProfile(nginx).processes.length);
    });
  });
});

/** Checks the numbers beside the handle against the command, and returns them. */
async function expectShownSplit(page: Page): Promise<string> {
  const trigger = (await page.locator('.split-words code').textContent())?.replace(/^.* --at /, '') ?? '';
  return await expectNumbersOf(page, trigger);
}

async function expectNumbersOf(page: Page, trigger: string): Promise<string> {
  const sizes = await Promise.all(
    ['#setup-size', '#main-size', '#blocked-size'].map((id) => page.locator(id).textContent()),
  );
  const after = /^after:([0-9]+)ns$/.exec(trigger);
  if (after !== null) {
    // By the library, too: a profile that is cut there has phases of these sizes.
    const profile = readProfile(redis);
    const cut = recut(profile, splitAt(profile, { kind: 'after', delay: Number(after[1]) }));
    const own = callSet(cut, { phase: 'main' }).filter(({ launch }) => launch !== true);
    expect(sizes[1]).toBe(`${own.length}`);
  }
  const { stdout, stderr } = callgate(['phases', redis, '--at', trigger, '--json']);
  expect(stderr).toBe('');
  const { setup, main, blocked } = JSON.parse(stdout) as SplitDocument;
  expect({ trigger, sizes }).toEqual({
    trigger,
    sizes: [`${setup.length}`, `${main.length}`, `${blocked.length}`],
  });
  const names = await page.locator('.blocked .call').allTextContents();
  expect(names).toEqual(blocked.map(({ name }) => name));
  return `${trigger}: ${sizes.join(' ')}`;
}

async function figures(page: Page, section: string): Promise<Record<string, string>> {
  const pairs = await page
    .locator(`${section} .figure`)
    .evaluateAll((all) =>
      all.map((figure) => [
        figure.querySelector('dt')?.textContent ?? '',
        figure.querySelector('b')?.textContent ?? '',
      ]),
    );
  return Object.fromEntries(pairs) as Record<string, string>;
}

function trace(file: string, ready: string, workload: string, command: readonly string[]): void {
  const quiet = `(${workload}) >/dev/null 2>&1`;
  const { status, stderr } = callgate([
    'trace',
    '-q',
    '--ready',
    ready,
    '--workload',
    quiet,
    '-o',
    file,
    '--',
    ...command,
  ]);
  if (status === null) throw new Error(`callgate trace ${command.join(' ')}: ${stderr}`);
  // The profile is what counts: a server may end with any status.
  expect(spawnSync('test', ['-s', file]).status).toBe(0);
}
