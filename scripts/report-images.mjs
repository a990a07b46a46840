// Makes docs/images from reports of redis-server and nginx under load: the traces are made anew, then looked at in Chromium.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const images = join(root, 'docs', 'images');
const work = mkdtempSync(join(tmpdir(), 'callgate-images-'));
mkdirSync(images, { recursive: true });

const BENCHMARK = 'redis-benchmark -p 16399 -q -n 2000 -t ping,set,get,lpush,sadd,hset,zadd';
const REDIS = ['redis-server', '--port', '16399', '--logfile', '/dev/null'];

try {
  for (const run of [1, 2, 3, 4]) {
    const more = [
      '',
      'redis-cli -p 16399 bgsave',
      'redis-cli -p 16399 config set appendonly yes; sleep 0.3',
      '',
    ][run - 1];
    trace(`redis-${run}.json`, 'listen:16399', `${BENCHMARK}; ${more}`, [...REDIS, '--dir', work]);
  }
  writeFileSync(
    join(work, 'nginx.conf'),
    `daemon off; worker_processes 3; error_log stderr; pid ${work}/pid; events { worker_connections 64; }
     http { access_log off; server { listen 127.0.0.1:18399; root /usr/share/doc; } }`,
  );
  const fetches = 'for i in $(seq 40); do curl -s http://127.0.0.1:18399/bash/ -o /dev/null; done';
  trace('nginx.json', 'listen:18399', `${fetches}; kill -HUP $(cat ${work}/pid); sleep 1; ${fetches}`, [
    'nginx',
    '-p',
    work,
    '-c',
    join(work, 'nginx.conf'),
  ]);
  callgate(['report', file('redis-2.json'), '-o', file('redis.html')]);
  callgate(['report', file('nginx.json'), '-o', file('nginx.html')]);
  callgate(['report', ...[1, 2, 3, 4].map((run) => file(`redis-${run}.json`)), '-o', file('runs.html')]);
  callgate(['policy', file('redis-2.json'), '-o', file('redis.yaml')]);
  callgate([
    'report',
    file('redis-2.json'),
    file('nginx.json'),
    file('redis.yaml'),
    '-o',
    file('three.html'),
  ]);
  callgate(['policy', file('redis-3.json'), '-o', file('later.yaml')]);
  callgate(['report', file('redis.yaml'), file('later.yaml'), '-o', file('changes.html')]);
  callgate(['analyze', '-q', '-o', file('redis.static.json'), '/usr/bin/redis-server']);
  const all = [...[1, 2, 3, 4].map((run) => `redis-${run}.json`), 'redis.static.json'].map(file);
  callgate(['report', ...all, '-o', file('suspects.html')]);
  await takePictures();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function takePictures() {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  try {
    await picture(browser, 'redis.html', 'report-redis.png', { height: 800 });
    await picture(browser, 'redis.html', 'report-phases.png', { height: 1000, part: '#phases' });
    await picture(browser, 'nginx.html', 'report-nginx.png', {
      height: 620,
      part: '#processes',
      colorScheme: 'dark',
    });
    await picture(browser, 'three.html', 'report-matrix.png', { height: 720, part: '#calls' });
    await picture(browser, 'redis.html', 'report-call.png', {
      height: 800,
      part: '#calls',
      hash: '#call=clone',
    });
    await picture(browser, 'runs.html', 'report-growth.png', { height: 420, part: '#growth' });
    await picture(browser, 'suspects.html', 'report-suspects.png', { height: 640, part: '.suspects' });
    await picture(browser, 'changes.html', 'report-changes.png', { height: 480, part: '#changes' });
  } finally {
    await browser.close();
  }
}

/** A window of this height whose top is that of the part. */
async function picture(browser, page, image, { height, part, hash = '', colorScheme = 'light' }) {
  const tab = await browser.newPage({ viewport: { width: 1200, height }, colorScheme });
  await tab.goto(`${pathToFileURL(file(page)).href}${hash}`);
  await tab.waitForSelector('html[data-complete]');
  if (part !== undefined) await tab.locator(part).evaluate((element) => element.scrollIntoView());
  // Plots are drawn when they come into view.
  await tab.waitForTimeout(500);
  await tab.screenshot({ path: join(images, image) });
  await tab.close();
}

function trace(profile, ready, workload, command) {
  const quiet = `(${workload}) >/dev/null 2>&1`;
  const options = ['-q', '--ready', ready, '--workload', quiet, '-o', file(profile)];
  spawnSync(join(root, 'bin', 'callgate'), ['trace', ...options, '--', ...command], { stdio: 'inherit' });
}

function callgate(args) {
  const { status } = spawnSync(join(root, 'bin', 'callgate'), args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`callgate ${args.join(' ')}: exit code ${status}`);
}

function file(name) {
  return join(work, name);
}
