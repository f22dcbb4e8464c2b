import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { SendMessageRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { rpcBytesMax } from '../../src/proxy/rpc/call.ts';
import { deliveredBytesMax } from '../../src/proxy/send/outgoing.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { grpcEndOf } from '../support/raw-grpc.ts';
import type { ScriptedCluster, ScriptedPop } from '../support/scripted-cluster.ts';
import { http2Client } from '../support/started-listener.ts';
import { clientOf, type StartedProxy, startTestCluster, startTestProxy } from '../support/started-proxy.ts';

/** gRPC status codes. */
const [OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED] = ['0', '3', '8'];

describe('sizes', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let started: StartedProxy;
  let session: ClientHttp2Session;
  let producerId: string;
  let endpoint: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    started = await startTestProxy();
    session = http2Client(started.port);
    endpoint = cluster.nameServer.address;
    ({ producerId } = await clientOf(started.port).createProducer({ endpoint, topic: 'topic' }));
  });

  /** Sends raw gRPC bytes and reads how the call ends. */
  async function post(bytes: Uint8Array, headers: Record<string, string> = {}): Promise<IncomingHttpHeaders> {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/rocketmq.RocketMQProxy/SendMessage',
      'content-type': 'application/grpc',
      ...headers,
    });
    stream.on('error', () => {});
    stream.end(bytes);
    stream.resume();
    return grpcEndOf(stream);
  }

  function envelope(payload: Uint8Array, flags = 0, length = payload.length): Buffer {
    const prefix = Buffer.alloc(5);
    prefix[0] = flags;
    prefix.writeUInt32BE(length, 1);
    return Buffer.concat([prefix, payload]);
  }

  const encode = (init: MessageInitShape<typeof SendMessageRequestSchema>): Uint8Array =>
    toBinary(SendMessageRequestSchema, create(SendMessageRequestSchema, { producerId, ...init }));

  /** A request of exactly so many bytes. */
  function requestOf(bytes: number): Uint8Array {
    const without = encode({ messageBody: 'x'.repeat(rpcBytesMax) }).length - rpcBytesMax;
    return encode({ messageBody: 'x'.repeat(bytes - without) });
  }

  /** The connection serves on: its next call is answered. */
  async function expectAlive(): Promise<void> {
    expect(await post(envelope(encode({ messageBody: 'x' })))).toMatchObject({ 'grpc-status': OK });
    expect(session.destroyed).toBe(false);
  }

  it('of a request end at the limit, and the connection lives on', async () => {
    const just = requestOf(rpcBytesMax);
    expect(just).toHaveLength(rpcBytesMax);
    // It is read; that nobody could receive it is another matter.
    expect(await post(envelope(just))).toMatchObject({
      'grpc-status': INVALID_ARGUMENT,
      'grpc-message': expect.stringContaining('message_body has'),
    });
    const { 'grpc-status': status } = await post(envelope(requestOf(rpcBytesMax + 1)));
    expect(status).toBe(RESOURCE_EXHAUSTED);
    await expectAlive();
  });

  it('that a length prefix lies about are refused before anything of it has come', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/rocketmq.RocketMQProxy/SendMessage',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.write(envelope(Buffer.alloc(10), 0, 0xffff_ffff));
    stream.resume();
    expect((await grpcEndOf(stream))['grpc-status']).toBe(RESOURCE_EXHAUSTED);
    stream.close();
    await expectAlive();
  });

  it('of what a request unfolds to are held to the same limit', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const headers = { 'grpc-encoding': 'gzip' };
    expect((await post(envelope(bomb, 1), headers))['grpc-status']).toBe(RESOURCE_EXHAUSTED);
    const small = gzipSync(encode({ messageBody: 'unfolded' }));
    expect((await post(envelope(small, 1), headers))['grpc-status']).toBe(OK);
    expect(cluster.broker.requests(RequestCode.SEND_MESSAGE_V2).at(-1)?.body.toString()).toBe('unfolded');
    await expectAlive();
  });

  it.each([
    ['a message cut short', (request: Uint8Array) => envelope(request.subarray(0, 5), 0, request.length)],
    ['bytes that are no message', () => envelope(Buffer.alloc(20, 0xff))],
    ['two messages', (request: Uint8Array) => Buffer.concat([envelope(request), envelope(request)])],
    ['no message', () => Buffer.alloc(0)],
    ['a body that is not UTF-8', () => envelope(Buffer.from([0x12, 0x02, 0xc3, 0x28]))],
  ])('of %s do not matter: it is refused, and the connection lives on', async (_, bytes) => {
    const { 'grpc-status': status } = await post(bytes(encode({ messageBody: 'x' })));
    // Connect, as gRPC for Go, calls what is no message of the type an internal error.
    expect(status).toMatch(/^(3|12|13)$/);
    await expectAlive();
    expect(started.log.troubles).toEqual([]);
  });

  it('of a message that was just taken are just what a client takes by default', async () => {
    const client = new ProxyClient(`127.0.0.1:${started.port}`);
    onTestFinished(() => client.close());
    const refusal = await post(envelope(encode({ messageBody: 'x'.repeat(deliveredBytesMax) })));
    const [, bytesMax] = /at most (\d+) can be delivered/.exec(String(refusal['grpc-message'])) ?? [];
    const body = 'x'.repeat(Number(bytesMax));
    expect((await post(envelope(encode({ messageBody: body }))))['grpc-status']).toBe(OK);
    const consumerId = await client.createConsumer('topic', 'g', { endpoint });
    pop.arrive([{ body: Buffer.from(body) }, { queueOffset: 1n, body: Buffer.from('next') }]);
    const messages = await client.receive(consumerId).take(2);
    expect(messages.map(({ message_body }) => message_body.length)).toEqual([body.length, 4]);
  });

  it('in JSON may be larger: what is short in protobuf is delivered all the same', async () => {
    const client = clientOf(started.port, 'Connect with JSON');
    const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
    pop.arrive([{ body: Buffer.alloc(4_100_000, 1) }, { queueOffset: 1n, body: Buffer.from('next') }]);
    const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    expect((await stream.next()).value.messageBody).toHaveLength(4_100_000);
    expect((await stream.next()).value.messageBody).toBe('next');
  });

  it('beyond all that do not end the stream: such a message is passed over', async () => {
    const client = clientOf(started.port);
    const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
    pop.arrive([{ body: Buffer.alloc(4_000_000, 0xff) }, { queueOffset: 1n, body: Buffer.from('next') }]);
    const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    expect((await stream.next()).value.messageBody).toBe('next');
    expect(started.log.troubles).toEqual(['a message is too large to be delivered']);
  });
});
