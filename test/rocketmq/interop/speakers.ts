/** Clients of the proxy as their users have them, each behind the same few calls. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import {
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { type CallOptions, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { Client, compressionAlgorithms, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { RocketMQProxy } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { reasonOf } from '../../support/grpc-client.ts';
import { type HttpClient, postByCurl } from '../../support/http-client.ts';
import { connectJson, type Fields, WebError, type WebProtocol } from '../../support/web-protocols.ts';

/** Where a proxy is. */
export interface ProxyAddress {
  /** `host:port`. */
  readonly address: string;
  /** File of the authority of its certificate; unset where the port is cleartext. */
  readonly caFile?: string;
}

/** How calls are made. */
export interface SpeakOptions {
  /** Requests are compressed. */
  readonly isGzip?: boolean;
  readonly timeoutMs?: number;
}

/** A client that is ready to call. */
export type Speak = (options?: SpeakOptions) => WebProtocol;

function originOf({ address, caFile }: ProxyAddress): string {
  return `${caFile === undefined ? 'http' : 'https'}://${address}`;
}

interface TransportOptions {
  readonly baseUrl: string;
  readonly nodeOptions?: { readonly ca: Buffer };
  readonly sendCompression?: Compression;
  readonly compressMinBytes?: number;
}

/** The transports of connect-node, by name. */
export const connectWays = {
  gRPC: createGrpcTransport,
  'gRPC-web, HTTP/1.1': (options) => createGrpcWebTransport({ ...options, httpVersion: '1.1' }),
  'gRPC-web, HTTP/2': (options) => createGrpcWebTransport({ ...options, httpVersion: '2' }),
  'Connect, HTTP/1.1': (options) => createConnectTransport({ ...options, httpVersion: '1.1' }),
  'Connect, HTTP/2': (options) => createConnectTransport({ ...options, httpVersion: '2' }),
  'Connect with JSON, HTTP/1.1': (options) =>
    createConnectTransport({ ...options, httpVersion: '1.1', useBinaryFormat: false }),
  'Connect with JSON, HTTP/2': (options) =>
    createConnectTransport({ ...options, httpVersion: '2', useBinaryFormat: false }),
} as const satisfies Record<string, (options: TransportOptions) => Transport>;

/** connect-node. */
export function connectNode(way: keyof typeof connectWays, proxy: ProxyAddress): Speak {
  return ({ isGzip = false, ...call } = {}) => {
    const transport = connectWays[way]({
      baseUrl: originOf(proxy),
      ...(proxy.caFile === undefined ? {} : { nodeOptions: { ca: readFileSync(proxy.caFile) } }),
      ...(isGzip ? { sendCompression: compressionGzip, compressMinBytes: 0 } : {}),
    });
    return byTransport(transport, call);
  };
}

function byTransport(transport: Transport, call: CallOptions): WebProtocol {
  const client = createClient(RocketMQProxy, transport);
  return {
    async call(rpc, request) {
      const method = methodOf(rpc);
      if (!isUnary(method)) throw new Error(`${rpc} answers a stream`);
      const message = fromJson(method.input, toJsonValue(request));
      const answer = await transport
        .unary(method, undefined, call.timeoutMs, undefined, message)
        .catch((error: unknown) => fail(error));
      return toFields(method, answer.message);
    },
    receive(consumerId) {
      const leaving = new AbortController();
      const messages = client.receiveMessages({ consumerId }, { ...call, signal: leaving.signal });
      const iterator = messages[Symbol.asyncIterator]();
      return {
        async next() {
          const { value } = await iterator.next().catch((error: unknown) => fail(error));
          if (value === undefined) throw new Error('the stream has ended');
          return toFields(methodOf('ReceiveMessages'), value);
        },
        cancel: () => leaving.abort(),
      };
    },
  };
}

function fail(error: unknown): never {
  const failure = ConnectError.from(error);
  const name = (Code[failure.code] ?? '').replaceAll(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
  throw new WebError(name, failure.rawMessage, failure.findDetails(ErrorInfoSchema)[0]?.reason);
}

/** grpc-js. */
export function grpcJs({ address, caFile }: ProxyAddress): Speak {
  const by = caFile === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(caFile));
  return ({ isGzip = false, timeoutMs = 60_000 } = {}) => {
    const algorithm = isGzip ? compressionAlgorithms.gzip : compressionAlgorithms.identity;
    const client = new Client(address, by, { 'grpc.default_compression_algorithm': algorithm });
    const deadline = (): Date => new Date(Date.now() + timeoutMs);
    return {
      call(rpc, request) {
        const { path, write, read } = codecOf(rpc);
        return new Promise((resolve, reject) => {
          client.makeUnaryRequest(
            path,
            write,
            read,
            request,
            new Metadata(),
            { deadline: deadline() },
            (error, reply) => {
              if (error !== null) reject(toWebError(error));
              else if (reply !== undefined) resolve(reply);
            },
          );
        });
      },
      receive(consumerId) {
        const { path, write, read } = codecOf('ReceiveMessages');
        const request: Fields = { consumer_id: consumerId };
        const call = client.makeServerStreamRequest(path, write, read, request, new Metadata(), {
          deadline: deadline(),
        });
        const iterator: AsyncIterator<Fields> = call[Symbol.asyncIterator]();
        return {
          async next() {
            const { value } = await iterator.next().catch((error: ServiceError) => Promise.reject(toWebError(error)));
            if (value === undefined) throw new Error('the stream has ended');
            return value;
          },
          cancel: () => call.cancel(),
        };
      },
    };
  };
}

function toWebError(error: ServiceError): WebError {
  return new WebError(
    (status[error.code] ?? '').toLowerCase().replace('cancelled', 'canceled'),
    error.details,
    reasonOf(error),
  );
}

/** curl, with Connect and JSON. */
export function curl(proxy: ProxyAddress, ...flags: readonly string[]): Speak {
  return ({ isGzip = false, timeoutMs } = {}) => {
    const authority = proxy.caFile === undefined ? [] : ['--cacert', proxy.caFile];
    const deadline = timeoutMs === undefined ? [] : ['-H', `connect-timeout-ms: ${timeoutMs}`];
    const post = postByCurl(...flags, ...authority, ...deadline);
    return connectJson(
      originOf(proxy),
      isGzip ? zipped(postByCurl(...flags, ...authority, '-H', 'content-encoding: gzip')) : post,
    );
  };
}

function zipped(post: HttpClient): HttpClient {
  return (origin, path, contentType, body) => post(origin, path, contentType, gzipSync(body));
}

function methodOf(rpc: string): DescMethod {
  const method = RocketMQProxy.methods.find(({ name }) => name === rpc);
  if (method === undefined) throw new Error(`there is no ${rpc}`);
  return method;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

function codecOf(rpc: string) {
  const method = methodOf(rpc);
  return {
    path: `/${RocketMQProxy.typeName}/${rpc}`,
    write: (fields: Fields) => Buffer.from(toBinary(method.input, fromJson(method.input, toJsonValue(fields)))),
    read: (bytes: Buffer): Fields => toFields(method, fromBinary(method.output, bytes)),
  };
}

/** Requests are of what JSON has. */
function toJsonValue(fields: Fields): JsonValue {
  return JSON.parse(JSON.stringify(fields));
}

/** With the names of the published proto. */
function toFields({ output }: DescMethod, message: Parameters<typeof toJson>[1]): Fields {
  return JSON.parse(JSON.stringify(toJson(output, message, { useProtoFieldName: true, alwaysEmitImplicit: true })));
}
