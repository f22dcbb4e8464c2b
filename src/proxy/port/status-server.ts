import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { peerPath } from '../instances/peers.ts';
import type { MetricsSnapshot } from '../metrics.ts';
import { SealError, sealedCharsMax } from '../session/seal.ts';
import { type ListenAddress, listen } from './listen.ts';

/** Whether calls can be served, and if not, what is missing. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
}

/** What `/metrics` tells: of this process, as `ProxyMetrics` counts it, or of several together. */
export interface MetricsSource {
  snapshot(): MetricsSnapshot | Promise<MetricsSnapshot>;
  prometheusText(): Promise<string>;
  readonly prometheusContentType: string;
}

export interface StatusServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Undefined when `ENABLE_METRICS` is off. */
  readonly metrics: MetricsSource | undefined;
  readonly ready: () => Readiness | Promise<Readiness>;
  /**
   * Answers other instances that ask the process of this id. Unset: none is asked here.
   * @returns undefined where there is no such process.
   * @throws SealError for what nobody with our key has asked.
   */
  readonly answerPeer?: ((id: string, text: string) => Promise<string | undefined>) | undefined;
}

/** The second port: what the proxy does and whether it can be used, for people, probes and Prometheus. */
export interface StatusServer {
  readonly port: number;
  /** Stops listening and ends every connection, idle ones at once, busy ones after a second. */
  close(): Promise<void>;
}

/** Longest a client may take for its headers, and for its whole request. */
const requestTimeoutMs = 5000;

/** Longest a connection stays open without a request. */
const idleTimeoutMs = 5000;

/** Longest a connection stays open on which nothing moves, such as an answer that is not read. */
const stalledTimeoutMs = 30_000;

const headerBytesMax = 8192;

const connectionsMax = 256;

/** How long answers in progress may go on once the server closes. */
const closeTimeoutMs = 1000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Starts the status server: `/metrics`, `/health`, `/livez` and `/readyz`.
 * @throws ListenError
 */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: idleTimeoutMs,
  });
  server.maxConnections = connectionsMax;
  server.setTimeout(stalledTimeoutMs);
  server.on('request', (request, response) => {
    answer(options, request).then(
      (found) => send(request, response, found),
      () => send(request, response, json(500, { error: 'internal error' })),
    );
  });
  const address: ListenAddress = { host: options.host, port: options.port, portSetting: 'METRICS_PORT' };
  const port = await listen(server, address);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => server.closeAllConnections(), closeTimeoutMs);
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  return {
    port,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

async function answer(options: StatusServerOptions, request: IncomingMessage): Promise<Answer> {
  const { path, query } = split(request.url ?? '/');
  const { answerPeer } = options;
  if (answerPeer !== undefined && request.method === 'POST' && path.startsWith(peerPath))
    return peerAnswer(await readBody(request), (text) => answerPeer(path.slice(peerPath.length), text));
  // The body of a probe, if it has one, is not looked at.
  request.resume();
  const found = await route(options, request, path, query);
  if (found === undefined) return json(404, { error: `nothing is served at ${path.slice(0, 100)}` });
  if (request.method === 'GET' || request.method === 'HEAD') return found;
  return json(405, { error: 'only GET and HEAD are served here' });
}

async function route(
  options: StatusServerOptions,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
): Promise<Answer | undefined> {
  switch (path) {
    case '/metrics':
      return metricsAnswer(options.metrics, query.get('format'), request.headers.accept);
    case '/health':
      return json(200, { status: 'healthy', time: new Date().toISOString() });
    case '/livez':
      return json(200, { live: true });
    case '/readyz': {
      const { ready, reason } = await options.ready();
      return ready ? json(200, { ready }) : json(503, { ready, reason: reason ?? 'not ready yet' });
    }
    default:
      return undefined;
  }
}

/** Undefined for one that is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  for await (const chunk of request.setEncoding('latin1')) {
    text += chunk;
    if (text.length > sealedCharsMax) return undefined;
  }
  return text;
}

/** Only who has our seal key gets more than a number. */
async function peerAnswer(
  question: string | undefined,
  ask: (text: string) => Promise<string | undefined>,
): Promise<Answer> {
  const refused = json(403, { error: 'only instances with the same seal key may ask' });
  if (question === undefined) return refused;
  try {
    const body = await ask(question);
    if (body === undefined) return json(404, { error: 'that process has ended' });
    return { status: 200, type: 'text/plain', body };
  } catch (error) {
    if (error instanceof SealError) return refused;
    throw error;
  }
}

async function metricsAnswer(
  metrics: MetricsSource | undefined,
  format: string | null,
  accept: string | undefined,
): Promise<Answer> {
  if (metrics === undefined) return json(404, { error: 'metrics are switched off: ENABLE_METRICS is false' });
  if (format === 'prometheus' || (format === null && prefersText(accept))) {
    return { status: 200, type: metrics.prometheusContentType, body: await metrics.prometheusText() };
  }
  return json(200, await metrics.snapshot());
}

/** Prometheus asks for OpenMetrics or plain text first; a browser, curl and the clients of the replaced product do not. */
function prefersText(accept: string | undefined): boolean {
  const types = (accept ?? '').split(',').map((range) => range.split(';', 1)[0]?.trim().toLowerCase());
  const first = types.find(
    (type) => type === 'application/openmetrics-text' || type === 'text/plain' || type === 'application/json',
  );
  return first !== undefined && first !== 'application/json';
}

function split(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '/', query = ''] = url.split('?', 2);
  return { path, query: new URLSearchParams(query) };
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
