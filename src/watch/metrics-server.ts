import { createServer, type Server } from 'node:http';
import { isIPv4 } from 'node:net';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../base/errors.ts';
import { isLocalRequest } from '../base/local-request.ts';
import { formatMetrics, METRICS_TYPE, type WatchFacts } from './metrics.ts';

/**
 * Reads `ADDRESS:PORT` of this machine alone: names of programs and units are nobody else's business.
 *
 * @throws UsageError
 */
export function parseMetricsAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(.*):(\d{1,5})$/.exec(text);
  const host = match?.[1]?.replace(/^\[(.*)\]$/, '$1').replace(/^localhost$/, '127.0.0.1') ?? '';
  const port = Number(match?.[2] ?? 65536);
  if (port > 65535) {
    throw new UsageError(`--metrics: bad address ${JSON.stringify(text)} (such as 127.0.0.1:9464)`);
  }
  if (host !== '::1' && !(isIPv4(host) && host.startsWith('127.'))) {
    throw new UsageError(`--metrics: ${text} is no loopback address (127.0.0.1:PORT or [::1]:PORT)`);
  }
  return { host, port };
}

/**
 * Serves /metrics to this machine, and not to pages of other sites in a browser on it; returns where, which has the port that was chosen for
 * port 0.
 *
 * @throws UsageError if it is taken
 */
export async function serveMetrics(
  address: { readonly host: string; readonly port: number },
  facts: () => WatchFacts,
): Promise<Disposable & { readonly url: string }> {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  let port = 0;
  const server: Server = createServer((request, response) => {
    // Who asks is checked before what is asked.
    if (!isLocalRequest(request.headers, [host, 'localhost'], port)) {
      response.writeHead(403).end();
      return;
    }
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(isRead ? 404 : 405, isRead ? {} : { allow: 'GET, HEAD' }).end();
      return;
    }
    response.writeHead(200, { 'content-type': METRICS_TYPE, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : formatMetrics(facts()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new UsageError(`--metrics: cannot listen on ${address.host}:${address.port}, ${error.code}`)),
    );
    server.listen(address.port, address.host, resolve);
  });
  port = (server.address() as AddressInfo).port;
  return {
    url: `http://${host}:${port}/metrics`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
