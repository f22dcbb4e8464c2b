import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { cors } from '@connectrpc/connect';

/** How long browsers may remember what they were allowed, in s; they forget it after 2 h at most. */
const maxAgeSeconds = 7_200;

const allowedHeaders = [...cors.allowedHeaders, 'authorization'].join(', ');
const allowedMethods = cors.allowedMethods.join(', ');
const exposedHeaders = cors.exposedHeaders.join(', ');

/**
 * Which web pages may call: those of the listed origins. A page of another origin is refused before its call is looked at: browsers
 * would keep only the answer from it, and not at all where its name was made to lead here (DNS rebinding).
 */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;

  /** @param origins such as `https://shop.example`; `*` for all. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** Writes what browsers need to know. @returns true where the request has been answered: a preflight, and one of another origin. */
  answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): boolean {
    const { origin } = request.headers;
    // Only browsers name an origin.
    if (origin === undefined) return false;
    response.setHeader('vary', 'origin');
    if (!this.#origins.has(origin) && !this.#origins.has('*')) {
      response.writeHead(403, { 'content-type': 'text/plain' });
      response.end('pages of this origin may not call: list it in PROXY_CORS_ORIGINS\n');
      return true;
    }
    response.setHeader('access-control-allow-origin', origin);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
      response.setHeader('access-control-expose-headers', exposedHeaders);
      return false;
    }
    response.setHeader('access-control-allow-methods', allowedMethods);
    response.setHeader('access-control-allow-headers', allowedHeaders);
    response.setHeader('access-control-max-age', maxAgeSeconds);
    response.writeHead(204).end();
    return true;
  }
}
