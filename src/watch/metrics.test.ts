import { get } from 'node:http';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { formatMetrics, type WatchFacts } from './metrics.ts';
import { parseMetricsAddress, serveMetrics } from './metrics-server.ts';
import { parseOpenMetrics } from './testing/openmetrics.ts';

const target = { calls: 40, newCalls: 3, newInLastHour: 2, processes: 1, starts: 5 };
const facts: WatchFacts = {
  seconds: 12.5,
  targets: [
    { name: 'redis.service', ...target },
    { name: '/odd "name"\\\n', ...target, calls: 7 },
  ],
  processes: 9,
  lost: 0,
  unattributed: 1,
  writings: 4,
  failures: 2,
  cpuSeconds: 0.25,
  memoryBytes: 1e8,
};

describe('the metrics', () => {
  it('are valid OpenMetrics and hold every fact', () => {
    const families = parseOpenMetrics(formatMetrics(facts));
    const values = Object.fromEntries(
      [...families].map(([name, { samples }]) => [name, samples.map(({ value }) => value)]),
    );
    expect(values).toEqual({
      callgate_watch_targets: [2],
      callgate_watch_calls: [40, 7],
      callgate_watch_new_calls: [3, 3],
      callgate_watch_new_calls_last_hour: [2, 2],
      callgate_watch_target_processes: [1, 1],
      callgate_watch_starts: [5, 5],
      callgate_watch_processes: [9],
      callgate_watch_lost: [0],
      callgate_watch_unattributed: [1],
      callgate_watch_writings: [4],
      callgate_watch_write_failures: [2],
      callgate_watch_seconds: [12.5],
      process_cpu_seconds: [0.25],
      process_resident_memory_bytes: [1e8],
    });
  });

  it('are valid without any target', () => {
    expect(() => parseOpenMetrics(formatMetrics({ ...facts, targets: [] }))).not.toThrow();
  });

  it.each([
    ['no end', '# TYPE a gauge\na 1\n'],
    ['a counter without _total', '# TYPE a counter\na 1\n# EOF\n'],
    ['a sample twice', '# TYPE a gauge\na 1\na 2\n# EOF\n'],
    ['a bare quote', '# TYPE a gauge\na{b="""} 1\n# EOF\n'],
  ])('are refused by the reader of these tests with %s', (_, text) => {
    expect(() => parseOpenMetrics(text)).toThrow();
  });
});

describe('the address of the metrics', () => {
  it.each([
    ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
    ['localhost:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
  ])('%s is taken', (text, want) => {
    expect(parseMetricsAddress(text)).toEqual(want);
  });

  it.each([
    '0.0.0.0:9464',
    '10.0.0.1:80',
    'example.com:80',
    ':80',
    '[::]:80',
    '127.0.0.1',
    '127.0.0.1:65536',
  ])('%s is refused', (text) => {
    expect(() => parseMetricsAddress(text)).toThrow(/--metrics/);
  });
});

describe('the server of the metrics', () => {
  it.each([
    ['by its address', {}, 200],
    ['as localhost', { host: 'localhost:PORT' }, 200],
    ['under another name, as by DNS rebinding', { host: 'evil.example:PORT' }, 403],
    ['under its address without the port', { host: '127.0.0.1' }, 403],
    ['by a page of another site', { origin: 'https://evil.example' }, 403],
    ['for another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['from the line of addresses of a browser', { 'sec-fetch-site': 'none' }, 200],
  ])('asked %s', async (_, headers: Readonly<Record<string, string>>, want) => {
    using server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => facts);
    const { port } = new URL(server.url);
    const sent = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('PORT', port)]),
    );
    const status = await new Promise((resolve, reject) => {
      get(server.url, { headers: sent }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).once('error', reject);
    });
    expect(status).toBe(want);
  });

  // Containers often have no IPv6.
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === '::1'),
  );
  it.runIf(hasIpv6)('on IPv6 is asked by its address', async () => {
    using server = await serveMetrics({ host: '::1', port: 0 }, () => facts);
    expect((await fetch(server.url)).status).toBe(200);
  });
});
