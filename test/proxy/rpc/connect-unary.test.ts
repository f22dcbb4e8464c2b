import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ended } from '../../../src/basics/ending.ts';
import { RocketMQProxy, type SendMessageRequest } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { CorsPolicy } from '../../../src/proxy/port/cors.ts';
import { createRequestHandler } from '../../../src/proxy/port/node-requests.ts';
import type { IncomingCall } from '../../../src/proxy/rpc/calls.ts';
import { createConnectHandlers } from '../../../src/proxy/rpc/connect.ts';
import { createUnaryHandlers, type UnaryHandler } from '../../../src/proxy/rpc/connect-unary.ts';
import { failure, invalid } from '../../../src/proxy/rpc/failures.ts';
import { envelope } from '../../support/http-client.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const method = RocketMQProxy.method.sendMessage;
const path = '/rocketmq.RocketMQProxy/SendMessage';
const json = { 'content-type': 'application/json' };
const proto = { 'content-type': 'application/proto' };

/** Does what the body of the message says. */
async function serve(
  { messageBody, tag }: SendMessageRequest,
  call: IncomingCall,
): Promise<MessageInitShape<typeof method.output>> {
  switch (messageBody) {
    case 'invalid':
      throw invalid('it is invalid: größe 100%\n');
    case 'busy':
      throw failure(Code.ResourceExhausted, 'OVERLOADED', 'too busy');
    case 'wait':
      await ended(call.end);
      throw failure(Code.DeadlineExceeded, 'DEADLINE', `over by its deadline: ${call.hasTimedOut}`);
    case 'huge':
      return { message: 'x'.repeat(40_000_000) };
    case 'who':
      return { message: `${call.address} ${call.authorization} ${call.reader} ${call.end.aborted}` };
    default:
      return { success: true, message: messageBody, messageId: tag };
  }
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

interface Answered {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function send(port: number, { headers, body = '', ...sent }: Sent): Promise<Answered> {
  const length = { 'content-length': Buffer.byteLength(body) };
  const options = { port, host: '127.0.0.1', method: 'POST', path, agent: false, ...sent };
  const call = request({ ...options, headers: headers?.['transfer-encoding'] ? headers : { ...length, ...headers } });
  // What is promised and not sent is not ended.
  if (headers?.['content-length'] === undefined) call.end(body);
  else call.flushHeaders();
  const [response] = await once(call, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  call.destroy();
  const { date: _, ...others } = response.headers;
  return { status: response.statusCode, headers: others, body: Buffer.concat(chunks).toString('latin1') };
}

const bodyOf = (fields: MessageInitShape<typeof method.input>): Uint8Array =>
  toBinary(method.input, create(method.input, fields));
const text = (messageBody: string): string => JSON.stringify({ messageBody });

/** What is sent, and whether it is answered directly. */
const requests: readonly (readonly [string, boolean, Sent])[] = [
  ['JSON', true, { headers: json, body: JSON.stringify({ messageBody: 'größe 🚀', tag: 't' }) }],
  ['JSON with its charset', true, { headers: { 'content-type': 'application/json; charset=utf-8' }, body: text('x') }],
  ['JSON by the names of the proto', true, { headers: json, body: '{"message_body":"x"}' }],
  ['JSON with a field that nobody knows', true, { headers: json, body: '{"other":1}' }],
  ['JSON that is empty', true, { headers: json, body: '{}' }],
  ['no JSON', true, { headers: json }],
  ['broken JSON', true, { headers: json, body: '{' }],
  ['JSON of another kind', true, { headers: json, body: '{"messageBody":1}' }],
  ['JSON that is no UTF-8', true, { headers: json, body: Buffer.from('{"messageBody":"\xff"}', 'latin1') }],
  ['bytes', true, { headers: proto, body: bodyOf({ messageBody: 'größe 🚀', tag: 't' }) }],
  ['no bytes', true, { headers: proto }],
  ['broken bytes', true, { headers: proto, body: Buffer.from([0x0a, 0x05, 1]) }],
  ['bytes of a string that is no UTF-8', true, { headers: proto, body: Buffer.from([0x12, 0x01, 0xff]) }],
  ['many bytes', true, { headers: proto, body: bodyOf({ messageBody: 'x'.repeat(1_000_000) }) }],
  ['most bytes', true, { headers: proto, body: bodyOf({ messageBody: 'x'.repeat(5_242_880 - 5) }) }],
  ['the promise of too many bytes', false, { headers: { ...proto, 'content-length': '5242881' } }],
  ['what the handler refuses', true, { headers: json, body: text('invalid') }],
  ['what the handler refuses, as bytes', true, { headers: proto, body: bodyOf({ messageBody: 'invalid' }) }],
  ['what fails with when to try again', true, { headers: json, body: text('busy') }],
  ['what has too long an answer', true, { headers: proto, body: bodyOf({ messageBody: 'huge' }) }],
  ['a query', true, { path: `${path}?x=1`, headers: json, body: text('x') }],
  ['who calls', true, { headers: { ...json, authorization: 'Bearer x' }, body: text('who') }],
  ['a protocol version', true, { headers: { ...json, 'connect-protocol-version': '1' }, body: text('x') }],
  [
    'a protocol version of the future',
    true,
    { headers: { ...json, 'connect-protocol-version': '2' }, body: text('x') },
  ],
  ['a page', true, { headers: { ...json, origin: 'http://page' }, body: text('busy') }],
  ['a page of another origin', false, { headers: { ...json, origin: 'http://other' }, body: text('x') }],
  [
    'a preflight',
    false,
    { method: 'OPTIONS', headers: { origin: 'http://page', 'access-control-request-method': 'POST' } },
  ],
  ['a deadline', true, { headers: { ...json, 'connect-timeout-ms': '20000' }, body: text('x') }],
  ['a deadline that passes', true, { headers: { ...json, 'connect-timeout-ms': '20' }, body: text('wait') }],
  ['a deadline that has passed', true, { headers: { ...json, 'connect-timeout-ms': '0' }, body: text('wait') }],
  ['a deadline that is none', false, { headers: { ...json, 'connect-timeout-ms': 'x' }, body: text('x') }],
  ['a deadline that is far away', false, { headers: { ...json, 'connect-timeout-ms': '9999999999' }, body: text('x') }],
  ['gzip', false, { headers: { ...json, 'content-encoding': 'gzip' }, body: gzipSync(text('x')) }],
  ['broken gzip', false, { headers: { ...json, 'content-encoding': 'gzip' }, body: text('x') }],
  ['identity', true, { headers: { ...json, 'content-encoding': 'identity' }, body: text('x') }],
  ['another compression', false, { headers: { ...json, 'content-encoding': 'br' }, body: text('x') }],
  ['compressed answers', true, { headers: { ...json, 'accept-encoding': 'gzip, br' }, body: text('x') }],
  ['a body of no known length', false, { headers: { ...json, 'transfer-encoding': 'chunked' }, body: text('x') }],
  ['GET', false, { method: 'GET', path: `${path}?encoding=json&message={}` }],
  ['PUT', false, { method: 'PUT', headers: json, body: text('x') }],
  ['no content type', false, { body: text('x') }],
  ['another content type', false, { headers: { 'content-type': 'text/plain' }, body: text('x') }],
  ['a stream', false, { headers: { 'content-type': 'application/connect+json' }, body: envelope(Buffer.from('{}')) }],
  ['gRPC-web', false, { headers: { 'content-type': 'application/grpc-web+proto' }, body: envelope(bodyOf({})) }],
  ['a host that is none', false, { headers: { ...json, host: 'a:99999' }, body: text('x') }],
  ['another path', false, { path: `${path}s`, headers: json, body: text('x') }],
];

describe('a unary call of Connect', () => {
  let isDirect = false;
  let connect: number;
  let direct: number;

  async function start(unary: ReadonlyMap<string, UnaryHandler>): Promise<number> {
    const served = [{ method, serve }];
    const pages = new CorsPolicy(['http://page']);
    const handle = createRequestHandler(createConnectHandlers(served), unary, pages, new MemoryLog());
    const server = createServer((asked, response) => handle(asked, response));
    onTestFinished(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  beforeEach(async () => {
    isDirect = false;
    const watched = [...createUnaryHandlers([{ method, serve }])].map(([at, handle]): [string, UnaryHandler] => [
      at,
      (asked, response) => {
        isDirect = handle(asked, response);
        return isDirect;
      },
    ]);
    [connect, direct] = await Promise.all([start(new Map()), start(new Map(watched))]);
  });

  it.each(requests)('is answered directly as by Connect: %s', async (_, directly, sent) => {
    const answered = await send(direct, sent);
    expect(answered).toEqual(await send(connect, sent));
    expect(isDirect).toBe(directly);
  });

  it('ends when its caller goes away', async () => {
    let end: IncomingCall | undefined;
    let called: () => void = () => {};
    const handler = createUnaryHandlers([
      {
        method,
        serve: async (_: unknown, call: IncomingCall) => {
          end = call;
          called();
          await ended(call.end);
          return {};
        },
      },
    ]);
    const port = await start(handler);
    const isCalled = new Promise<void>((resolve) => (called = resolve));
    const call = request({ port, host: '127.0.0.1', method: 'POST', path, headers: { ...json, 'content-length': 2 } });
    call.on('error', () => {});
    call.end('{}');
    await isCalled;
    expect(end?.end.aborted).toBe(false);
    call.destroy();
    if (end !== undefined) await ended(end.end);
    expect(end?.hasTimedOut).toBe(false);
  });
});
