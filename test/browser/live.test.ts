import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get, request, type IncomingMessage, type RequestOptions } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callSet } from '../../src/profile/sets.ts';
import { CALLGATE, readProfile, temporaryDirectory } from '../support/callgate.ts';
import { openPage, startBrowser } from './browser.ts';

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

describe('callgate trace --live', () => {
  test('shows calls as they appear and the end of the program, stays usable, and ends on Ctrl-C as the program did', async () => {
    using directory = temporaryDirectory();
    await using live = await startLive(directory.path);
    const { page, complaints } = await openPage(browser, live.url);
    await page.getByText('Tracing: the page is updated as calls appear.').waitFor();
    await page.getByRole('link', { name: 'rt_sigprocmask', exact: true }).first().waitFor();
    expect(await page.locator('#calls').getByRole('link', { name: 'symlinkat', exact: true }).count()).toBe(
      0,
    );
    live.goOn('second');
    await page.locator('#calls').getByRole('link', { name: 'symlinkat', exact: true }).waitFor();
    await page.locator('.who b', { hasText: / ln$/ }).waitFor();
    live.goOn('end');
    await page.getByText('Ended: exit code 3').waitFor();
    await live.waitFor(/until Ctrl-C/);
    const profile = readProfile(live.profile);
    expect(await page.locator('#calls tbody tr').count()).toBe(callSet(profile).length);
    // What is asked for by now comes from the page itself.
    await page.locator('#calls').getByRole('link', { name: 'symlinkat', exact: true }).click();
    expect(await page.getByRole('complementary').innerText()).toContain('First made by ln');
    const again = await openPage(browser, live.url);
    await again.page.getByText('Ended: exit code 3').waitFor();
    live.kill('SIGINT');
    expect(await live.end).toMatchObject({ status: 3, signal: null });
    const isOwn = (complaint: string): boolean => complaint === `request: ${live.url}events`;
    expect([...complaints, ...again.complaints].filter((complaint) => !isOwn(complaint))).toEqual([]);
    await page.close();
    await again.page.close();
  });

  test('answers nobody but a browser on this machine that has the address', async () => {
    using directory = temporaryDirectory();
    await using live = await startLive(directory.path);
    const { host, port, pathname } = new URL(live.url);
    const cases: readonly (readonly [what: string, options: RequestOptions, status: number])[] = [
      ['the page', {}, 200],
      ['by its other name', { headers: { host: `localhost:${port}` } }, 200],
      ['another host name', { headers: { host: 'example.com' } }, 403],
      ['another port', { headers: { host: '127.0.0.1:1' } }, 403],
      ['from another site', { headers: { origin: 'http://example.com' } }, 403],
      ['from a file', { headers: { origin: 'null' } }, 403],
      ['from its own site', { headers: { origin: `http://${host}` } }, 200],
      ['a link on another site', { headers: { 'sec-fetch-site': 'cross-site' } }, 403],
      ['another method', { method: 'POST' }, 405],
      ['what other sites ask beforehand', { method: 'OPTIONS', headers: { origin: `http://${host}` } }, 405],
      ['no token', { path: '/' }, 404],
      ['a wrong token', { path: pathname.replace(/.\/$/, '_/') }, 404],
      ['more than the page', { path: `${pathname}events/more` }, 404],
      ['a way up', { path: `${pathname}../` }, 404],
    ];
    for (const [what, options, status] of cases) {
      const response = await answerTo(live.url, options);
      expect({ what, status: response.statusCode }).toEqual({ what, status });
      expect(Object.keys(response.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    const { headers } = await answerTo(live.url, {});
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']*'; .*frame-ancestors 'none'$/,
    );
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['cache-control']).toBe('no-store');
    live.goOn('second');
    live.goOn('end');
    await live.waitFor(/until Ctrl-C/);
    live.kill('SIGTERM');
    await live.end;
  });

  test('Ctrl-C while the program runs ends both', async () => {
    using directory = temporaryDirectory();
    await using live = await startLive(directory.path);
    const response = await new Promise<IncomingMessage>((resolve) => get(`${live.url}events`, resolve));
    let events = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (events += chunk));
    const closed = once(response, 'end');
    live.kill('SIGINT');
    await closed;
    expect(events).toContain('event: whole');
    expect(events).toContain('event: ended');
    expect((await live.end).signal).toBe('SIGINT');
  });
});

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Live extends AsyncDisposable {
  readonly url: string;
  readonly profile: string;
  readonly end: Promise<Ended>;
  /** Resolves when callgate has said something on stderr. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** Lets the program go on behind `second` or `end`. */
  goOn(to: string): void;
}

/** Traces a shell that waits for files, and gives the address that callgate prints. */
async function startLive(directory: string): Promise<Live> {
  const profile = join(directory, 'live.json');
  const wait = (name: string): string => `while ! test -e ${join(directory, name)}; do sleep 0.5; done`;
  const script = `${wait('second')}; ln -s x ${join(directory, 'link')}; ${wait('end')}; exit 3`;
  const child = spawn(CALLGATE, ['trace', '--live', '-q', '-o', profile, '--', 'sh', '-c', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = once(child, 'exit').then(([status, signal]) => ({ status, signal }) as Ended);
  let stderr = '';
  const said = new EventEmitter();
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    said.emit('more');
  });
  const waitFor = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(stderr);
      if (match !== null) return match;
      const gone = end.then(({ status }) => `ended with ${status}`);
      const news = await Promise.race([once(said, 'more'), gone]);
      if (typeof news === 'string' && !pattern.test(stderr)) throw new Error(`${news}: ${stderr}`);
    }
  };
  const url = (await waitFor(/callgate: live: (http:\S+)/))[1] ?? '';
  return {
    url,
    profile,
    end,
    waitFor,
    kill: (signal) => child.kill(signal),
    goOn: (to) => writeFileSync(join(directory, to), ''),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await end;
    },
  };
}

async function answerTo(url: string, options: RequestOptions): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request(url, { agent: false, ...options }, (response) => {
      response.resume();
      resolve(response);
    })
      .on('error', reject)
      .end();
  });
}
