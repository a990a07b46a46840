import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request to a server on loopback is by somebody on this machine, and not by a page of another site in a browser on it: one that asks
 * under a host name of its own (DNS rebinding), or for another site, is not.
 *
 * @param names host names under which the server can be asked, those of IPv6 in brackets
 */
export function isLocalRequest(
  { host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  names: readonly string[],
  port: number,
): boolean {
  // The port of http is left out.
  const hosts = names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  if (host === undefined || !hosts.includes(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return site === undefined || site === 'same-origin' || site === 'none';
}
