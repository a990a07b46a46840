import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../base/errors.ts';
import { isLocalRequest } from '../base/local-request.ts';

/** Pages that may listen at once. */
const LISTENER_CAP = 16;

/** Bytes that a page may leave unread before it is let go of: it comes back and is told everything anew. */
const BACKLOG_CAP = 32 * 1024 * 1024;

/** A page as it is now, with its policy as a header. */
export interface ServedPage {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

/**
 * Serves one page and its events to browsers on this machine, and nothing to anybody else.
 *
 * It listens on loopback only. The address has a random token, so that other users of the machine do not find it; what
 * asks under another host name (DNS rebinding) or for another site is refused. It only answers, nothing can be changed by it.
 */
export class LiveServer {
  readonly #server: Server;
  readonly #token: string;
  readonly #page: () => ServedPage;
  readonly #onListener: (send: SendEvent) => void;
  readonly #listeners: Set<ServerResponse> = new Set();

  private constructor(page: () => ServedPage, onListener: (send: SendEvent) => void) {
    this.#token = randomBytes(24).toString('base64url');
    this.#page = page;
    this.#onListener = onListener;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /**
   * Begins to listen.
   *
   * @param port 0 for any that is free
   * @param onListener is called for each page that begins to listen, to tell it what there is
   * @throws UsageError if the port cannot be had
   */
  static async start(
    port: number,
    page: () => ServedPage,
    onListener: (send: SendEvent) => void,
  ): Promise<LiveServer> {
    const live = new LiveServer(page, onListener);
    await new Promise<void>((resolve, reject) => {
      live.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new UsageError(
            `live: cannot listen on 127.0.0.1:${port}, ${error.code ?? error.message} (another port, or none for any)`,
            {
              cause: error,
            },
          ),
        ),
      );
      live.#server.listen(port, '127.0.0.1', resolve);
    });
    return live;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/${this.#token}/`;
  }

  /** Pages that listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Tells all pages. */
  send(event: string, data: string): void {
    for (const listener of this.#listeners) {
      if (listener.writableLength > BACKLOG_CAP) listener.destroy();
      else write(listener, event, data);
    }
  }

  /** Ends when all pages have been told what they were sent last. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const listener of this.#listeners) listener.end();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), 1000);
    await closed;
    clearTimeout(timer);
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#refuse(request);
    if (refusal !== null) {
      const [status, headers] = refusal;
      response.writeHead(status, { ...HEADERS, 'Content-Length': 0, ...headers }).end();
      return;
    }
    if (request.url?.endsWith('/events') === true) this.#listen(response);
    else {
      const { html, contentSecurityPolicy } = this.#page();
      response
        .writeHead(200, {
          ...HEADERS,
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
        })
        .end(html);
    }
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
    this.#onListener((event, data) => write(response, event, data));
  }

  /** Why a request is not answered: who asks is checked before what is asked. */
  #refuse(
    request: IncomingMessage,
  ): readonly [status: number, headers: Readonly<Record<string, string>>] | null {
    if (!isLocalRequest(request.headers, ['127.0.0.1', 'localhost'], this.#port)) return [403, {}];
    if (request.method !== 'GET') return [405, { Allow: 'GET' }];
    const [token, rest, ...more] = (request.url ?? '').slice(1).split('/');
    if (!isSame(token ?? '', this.#token) || more.length > 0 || (rest !== '' && rest !== 'events')) {
      return [404, {}];
    }
    return rest === 'events' && this.#listeners.size >= LISTENER_CAP ? [503, {}] : null;
  }
}

/** Sends one event to a page. */
export type SendEvent = (event: string, data: string) => void;

const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** `data` is JSON on one line. */
function write(response: ServerResponse, event: string, data: string): void {
  response.write(`event: ${event}\ndata: ${data}\n\n`);
}

/** Takes as long for a wrong token as for the right one. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
