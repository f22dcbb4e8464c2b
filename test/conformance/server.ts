/** A server of the suite's service on the proxy's own ways of serving: what the suite starts, once for each kind of server that it wants. */
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { OnStream } from '../../src/http2/stream.ts';
import type { Log } from '../../src/log.ts';
import { ProxyMetrics } from '../../src/proxy/metrics.ts';
import { CorsPolicy } from '../../src/proxy/port/cors.ts';
import { Listener } from '../../src/proxy/port/listener.ts';
import { createRequestHandler } from '../../src/proxy/port/node-requests.ts';
import type { TlsMaterial } from '../../src/proxy/port/tls-files.ts';
import { Calls, type IncomingCall } from '../../src/proxy/rpc/calls.ts';
import { ContextCall, createConnectHandlers } from '../../src/proxy/rpc/connect.ts';
import { createUnaryHandlers, type UnaryHandler } from '../../src/proxy/rpc/connect-unary.ts';
import { createStreamHandler } from '../../src/proxy/rpc/stream-requests.ts';
import { type Metadata, ofContext, ofResponse, ofStream } from './metadata.ts';
import { readSchemas, type Schemas, type ServerCompatRequest } from './schemas.ts';
import { ConformanceService } from './service.ts';

const lengthBytes = 4;

function write(level: string) {
  return (fields: object, text?: string): void =>
    void process.stderr.write(`${level}: ${text} ${JSON.stringify(fields)}\n`);
}

const log: Log = { debug() {}, info() {}, warn: write('warn'), error: write('error') };

const metrics = new ProxyMetrics({ activeProducers: () => 0, activeConsumers: () => 0 });

/** As `proxy.ts` puts them together, but for the header fields, which a table of methods for each call lets handlers read and write. */
function createServing(schemas: Schemas) {
  const service = new ConformanceService(schemas, new Calls(metrics, log, {}));
  const methods = (metadata: Metadata | undefined) =>
    service.methods((call: IncomingCall) => {
      if (call instanceof ContextCall) return ofContext(call.context);
      if (metadata === undefined) throw new Error('a call of nobody');
      return metadata;
    });
  const jsonOptions = { registry: schemas.registry };
  const handlers = createConnectHandlers(methods(undefined), jsonOptions);
  const pages = new CorsPolicy([]);
  const unary = [...createUnaryHandlers(methods(undefined))].map(([path]): [string, UnaryHandler] => [
    path,
    (request, response) => {
      const own = createUnaryHandlers(methods(ofResponse(request, response)), jsonOptions);
      return own.get(path)?.(request, response) ?? false;
    },
  ]);
  const onStream: OnStream = (bare) => {
    const { stream, metadata } = ofStream(bare);
    // The proxy has none of these, so gRPC has no way of serving them but Connect's.
    const served = methods(metadata).filter(({ method }) => method.methodKind !== 'client_streaming');
    return createStreamHandler(served, handlers, pages, log)(stream);
  };
  return { handler: createRequestHandler(handlers, new Map(unary), pages, log), onStream };
}

function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): TlsMaterial | undefined {
  if (!useTls || serverCreds === undefined) return undefined;
  const { cert, key } = serverCreds;
  const ca = clientTlsCert.length > 0 ? Buffer.from(clientTlsCert) : undefined;
  return { cert: Buffer.from(cert), key: Buffer.from(key), ca };
}

async function readRequest(schemas: Schemas): Promise<ServerCompatRequest> {
  const bytes = await buffer(process.stdin);
  return fromBinary(schemas.compatRequest, bytes.subarray(lengthBytes));
}

const [, , descriptorsFile = ''] = process.argv;
const schemas = readSchemas(readFileSync(descriptorsFile));
const tls = tlsOf(await readRequest(schemas));
const listener = await Listener.start({
  host: '127.0.0.1',
  port: 0,
  maxConcurrent: 100,
  maxConnections: 1_000,
  readTimeoutMs: 30_000,
  keepaliveIntervalMs: 10_000,
  keepaliveTimeoutMs: 20_000,
  counter: metrics,
  log,
  tls,
  ...createServing(schemas),
});
process.once('SIGTERM', () => void listener.close());
const answer = toBinary(
  schemas.compatResponse,
  create(schemas.compatResponse, { host: '127.0.0.1', port: listener.port, pemCert: tls?.cert ?? new Uint8Array() }),
);
const length = Buffer.alloc(lengthBytes);
length.writeUInt32BE(answer.length);
process.stdout.write(Buffer.concat([length, answer]));
