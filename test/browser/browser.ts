import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { callgate, temporaryDirectory } from '../support/callgate.ts';

const CHROMIUM = '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts a Chromium with a user directory of its own, without a window; a missing one is a failure. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing (Debian package chromium)`);
  return await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS, timeout: 120_000 });
}

/** A page of which every word to the console, every error and every request is kept. */
export interface WatchedPage {
  readonly page: Page;
  /** Console messages, uncaught errors, and requests for anything but the page itself. */
  readonly complaints: readonly string[];
}

/** How a page is opened; `prepare` is called before. */
export type PageSettings = Parameters<Browser['newPage']>[0] & {
  readonly prepare?: (page: Page) => Promise<void>;
};

/** Opens an address and waits until the page is built to its end. */
export async function openPage(
  browser: Browser,
  url: string,
  { prepare, ...settings }: PageSettings = {},
): Promise<WatchedPage> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...settings });
  await prepare?.(page);
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const isOwn = request.url().split('#')[0] === url.split('#')[0] || request.url().startsWith('data:');
    if (!isOwn) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(url, { timeout: 60_000 });
  await page.waitForSelector('html[data-complete]', { timeout: 60_000 });
  return { page, complaints };
}

/** Makes a report with the command, opens it from its file, and closes both at the end; nothing may be complained of. */
export async function withReport(
  browser: Browser,
  files: readonly string[],
  look: (page: Page) => Promise<void>,
  settings: PageSettings & { readonly hash?: string } = {},
): Promise<void> {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'report.html');
  const { status, stderr } = callgate(['report', ...files, '-o', file]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { hash = '', ...rest } = settings;
  const { page, complaints } = await openPage(browser, `${pathToFileURL(file).href}${hash}`, rest);
  try {
    await look(page);
    expect(complaints).toEqual([]);
  } finally {
    await page.close();
  }
}
