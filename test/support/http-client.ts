/** Programs without gRPC: plain HTTP by what Node has, and by curl. */
import { spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:http2';

/** One POST under way. */
export interface HttpCall {
  /** Status code; from curl it is known only at the end. */
  readonly status: Promise<number>;
  /** To be read once. */
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): void;
}

/** Posts bytes to `http://host:port` and a path. */
export type HttpClient = (origin: string, path: string, contentType: string, body: Uint8Array) => HttpCall;

/** HTTP/1.1 by `fetch`. */
export const postByFetch: HttpClient = (origin, path, contentType, body) => {
  const cancelled = new AbortController();
  const answer = fetch(`${origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
    signal: cancelled.signal,
  });
  async function* read() {
    const stream = (await answer).body;
    if (stream !== null) yield* stream;
  }
  return { status: answer.then(({ status }) => status), body: read(), cancel: () => cancelled.abort() };
};

/** HTTP/2 over cleartext with prior knowledge by `node:http2`. */
export const postByHttp2: HttpClient = (origin, path, contentType, body) => {
  const session = connect(origin);
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': contentType });
  stream.on('close', () => session.close());
  stream.end(body);
  const status = new Promise<number>((resolve, reject) => {
    stream.on('response', (headers) => resolve(Number(headers[':status'])));
    stream.on('error', reject);
  });
  return { status, body: stream, cancel: () => stream.close() };
};

/** Any program `curl`, with its flags for a version of HTTP. */
export function postByCurl(...flags: readonly string[]): HttpClient {
  return (origin, path, contentType, body) => {
    const header = `content-type: ${contentType}`;
    const output = ['-sSN', '-w', '%{stderr}%{http_code}'];
    const curl = spawn('curl', [...flags, ...output, '-H', header, '--data-binary', '@-', `${origin}${path}`]);
    curl.stdin.end(body);
    let errors = '';
    curl.stderr.on('data', (chunk) => (errors += chunk));
    const status = new Promise<number>((resolve, reject) => {
      curl.on('error', reject);
      curl.on('close', () => resolve(Number(errors)));
    });
    return { status, body: curl.stdout, cancel: () => void curl.kill() };
  };
}

/** Whether there is a curl on this machine, and one that speaks HTTP/2. */
export function curlFeatures(): { readonly curl: boolean; readonly http2: boolean } {
  const { status, stdout } = spawnSync('curl', ['--version'], { encoding: 'utf8' });
  return { curl: status === 0, http2: status === 0 && /\bHTTP2\b/.test(stdout) };
}

/** One message of a stream of gRPC, gRPC-web or Connect: a byte of flags, four of length, and so many. */
export interface Envelope {
  readonly flags: number;
  readonly data: Buffer;
}

/** The bytes of one envelope. */
export function envelope(data: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(data.length, 1);
  return Buffer.concat([prefix, data]);
}

/** Cuts a body into its envelopes, each as soon as it is whole. */
export async function* readEnvelopes(body: AsyncIterable<Uint8Array>): AsyncGenerator<Envelope> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of body) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      yield { flags: bytes.readUInt8(0), data: bytes.subarray(5, end) };
      bytes = bytes.subarray(end);
    }
  }
  if (bytes.length > 0) throw new Error(`the body ends within an envelope: ${bytes.toString('hex', 0, 100)}`);
}
