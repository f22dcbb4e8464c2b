import { once } from 'node:events';
import { type ClientHttp2Session, constants, type IncomingHttpHeaders } from 'node:http2';
import { inspect } from 'node:util';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { CreateProducerRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { grpcEndOf } from '../../support/raw-grpc.ts';
import type { ScriptedCluster, ScriptedPop } from '../../support/scripted-cluster.ts';
import { http2Client, readAll, tcpClient } from '../../support/started-listener.ts';
import {
  clientOf,
  type ProxyClient,
  type StartedProxy,
  startTestCluster,
  startTestProxy,
  type Way,
  ways,
} from '../../support/started-proxy.ts';

const { NOTIFICATION, SEND_MESSAGE_V2 } = RequestCode;
const everyWay = Object.keys(ways) as Way[];

/** Code, reason and text of a failed call. */
async function failureOf(work: Promise<unknown>): Promise<[string | undefined, string | undefined, string]> {
  try {
    await work;
    return ['OK', undefined, ''];
  } catch (error) {
    const failure = ConnectError.from(error);
    return [Code[failure.code], failure.findDetails(ErrorInfoSchema)[0]?.reason, failure.rawMessage];
  }
}

async function firstOf<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  for await (const message of messages) return message;
  return undefined;
}

/** Headers of the answer to one HTTP/2 request. */
async function headersOf(session: ClientHttp2Session, headers: Record<string, string>): Promise<IncomingHttpHeaders> {
  const stream = session.request({ ':method': 'POST', ...headers });
  stream.on('error', () => {});
  stream.end();
  stream.resume();
  const [answer] = await once(stream, 'response');
  return answer;
}

describe('the port', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let started: StartedProxy;
  let client: ProxyClient;
  let endpoint: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    started = await startTestProxy();
    client = clientOf(started.port);
    endpoint = cluster.nameServer.address;
  });

  const metrics = () => started.proxy.metrics.snapshot();
  /** Waits until no call is in progress. */
  const becomesIdle = () =>
    vi.waitFor(() => expect(metrics().goroutine_count).toBe(0), { timeout: 10_000, interval: 5 });
  const createProducer = async (): Promise<string> =>
    (await client.createProducer({ endpoint, topic: 'topic' })).producerId;
  const createConsumer = async (): Promise<string> =>
    (await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' })).consumerId;

  it('knows the published service and nothing else', async () => {
    const session = http2Client(started.port);
    const paths = [
      '/',
      '/rocketmq.RocketMQProxy',
      '/rocketmq.RocketMQProxy/Other',
      '/rocketmq.rocketmqproxy/HealthCheck',
    ];
    for (const path of paths) {
      const { ':status': status } = await headersOf(session, { ':path': path, 'content-type': 'application/grpc' });
      expect(status).toBe(404);
    }
    const { ':status': status } = await headersOf(session, {
      ':path': '/rocketmq.RocketMQProxy/HealthCheck?x=1',
      'content-type': 'application/grpc',
    });
    expect(status).toBe(200);
  });

  it('answers curl', async () => {
    const response = await fetch(`http://127.0.0.1:${started.port}/rocketmq.RocketMQProxy/HealthCheck`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect([response.status, await response.json()]).toEqual([200, { healthy: true, message: 'the proxy serves' }]);
  });

  it('refuses a request that names an authority that is none, and says nothing of it to who is not debugging', async () => {
    const path = '/rocketmq.RocketMQProxy/HealthCheck';
    const { ':status': status } = await headersOf(http2Client(started.port), {
      ':path': path,
      ':authority': 'a:99999',
      'content-type': 'application/grpc',
    });
    expect(status).toBe(400);
    const socket = tcpClient(started.port);
    socket.write(`POST ${path} HTTP/1.1\r\nhost: a:99999\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    expect(await readAll(socket)).toMatch(/^HTTP\/1.1 400 /);
    expect(started.log.troubles).toEqual([]);
    expect(metrics().error_count).toBe(0);
  });

  describe('tells why a call failed', () => {
    it.each(everyWay)('in code, reason and text: %s', async (way) => {
      const other = clientOf(started.port, way);
      expect(await failureOf(other.createProducer({ endpoint, topic: 'größe' }))).toEqual([
        'InvalidArgument',
        'INVALID_REQUEST',
        'the topic "größe" may only have letters, digits and the characters % | _ -',
      ]);
      expect(await failureOf(firstOf(other.receiveMessages({ consumerId: 'x' })))).toEqual([
        'NotFound',
        'ID_NOT_FOUND',
        expect.stringContaining('consumer_id is unknown here'),
      ]);
    });

    it('without what a broker said', async () => {
      const producerId = await createProducer();
      cluster.broker.on(SEND_MESSAGE_V2, () => ({ code: ResponseCode.NO_PERMISSION, remark: 'java.lang.X 10.1.2.3' }));
      const text = (await failureOf(client.sendMessage({ producerId, messageBody: 'x' }))).join(' ');
      expect(text).toContain('PermissionDenied BROKER_REFUSED');
      expect(text).not.toMatch(/java|10\.1/);
    });
  });

  describe('logs', () => {
    it.each<[number, string]>([
      [ResponseCode.SYSTEM_ERROR, 'warn'],
      [ResponseCode.NO_PERMISSION, 'debug'],
      [12_345, 'error'],
    ])('an answer %s of a broker to a send as %s, with what the broker said', async (code, level) => {
      const producerId = await createProducer();
      cluster.broker.on(SEND_MESSAGE_V2, () => ({ code, remark: 'what the broker said' }));
      await failureOf(client.sendMessage({ producerId, messageBody: 'x' }));
      const lines = started.log.lines.filter(({ fields }) => 'rpc' in fields);
      expect(lines).toMatchObject([{ level, fields: { rpc: 'SendMessage' } }]);
      expect(JSON.stringify(lines.map(({ fields }) => inspect(fields)))).toContain('what the broker said');
    });
  });

  describe('counts', () => {
    it('calls while they last, and those that fail', async () => {
      const consumerId = await createConsumer();
      const caller = new AbortController();
      const stream = client.receiveMessages({ consumerId }, { signal: caller.signal })[Symbol.asyncIterator]();
      const waiting = stream.next().catch(() => {});
      await cluster.broker.request(NOTIFICATION);
      expect(metrics()).toMatchObject({ goroutine_count: 1, error_count: 0, active_consumers: 1 });
      await failureOf(client.ackMessage({ consumerId, receiptHandle: '' }));
      expect(metrics()).toMatchObject({ goroutine_count: 1, error_count: 1 });
      caller.abort();
      await waiting;
      await becomesIdle();
      expect(metrics()).toMatchObject({ error_count: 1, active_connections: 1, total_connections: 1 });
      expect(metrics().avg_response_time_ms).toBeGreaterThan(0);
    });

    it('messages', async () => {
      const [producerId, consumerId] = [await createProducer(), await createConsumer()];
      for (let count = 0; count < 3; count += 1) await client.sendMessage({ producerId, messageBody: 'x' });
      pop.arriveOffsets(1, 2);
      await firstOf(client.receiveMessages({ consumerId }));
      expect(metrics()).toMatchObject({ messages_sent: 3, active_producers: 1 });
      expect(metrics().messages_received).toBeGreaterThanOrEqual(1);
    });
  });

  describe('keeps a deadline', () => {
    it.each(everyWay)('of the caller, and says that it has passed: %s', async (way) => {
      const producerId = await createProducer();
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      const [code] = await failureOf(
        clientOf(started.port, way).sendMessage({ producerId, messageBody: 'x' }, { timeoutMs: 100 }),
      );
      expect(code).toBe('DeadlineExceeded');
      await becomesIdle();
    });

    it('of its own where the caller sets none, or a longer one', async () => {
      const { port } = await startTestProxy({ writeTimeoutMs: 200 });
      const hasty = clientOf(port);
      const { producerId } = await hasty.createProducer({ endpoint, topic: 'topic' });
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      for (const options of [{}, { timeoutMs: 100_000 }]) {
        expect((await failureOf(hasty.sendMessage({ producerId, messageBody: 'x' }, options))).slice(0, 2)).toEqual([
          'DeadlineExceeded',
          'OUTCOME_UNKNOWN',
        ]);
      }
    });

    it('on its own side too', async () => {
      const producerId = await createProducer();
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      const response = await fetch(`http://127.0.0.1:${started.port}/rocketmq.RocketMQProxy/SendMessage`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': '100' },
        body: JSON.stringify({ producerId, messageBody: 'x' }),
      });
      expect(response.status).toBe(504);
      expect(await response.json()).toMatchObject({ code: 'deadline_exceeded', details: [{ debug: {} }] });
    });

    it('of a stream: it ends, and not as if all were well', async () => {
      const consumerId = await createConsumer();
      const session = http2Client(started.port);
      const body = toBinary(CreateProducerRequestSchema, create(CreateProducerRequestSchema, { endpoint: consumerId }));
      const stream = session.request({
        ':method': 'POST',
        ':path': '/rocketmq.RocketMQProxy/ReceiveMessages',
        'content-type': 'application/grpc',
        'grpc-timeout': '100m',
      });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      // consumer_id and endpoint are both field 1.
      stream.end(Buffer.concat([head, body]));
      stream.resume();
      expect(await grpcEndOf(stream)).toMatchObject({
        'grpc-status': '4',
        'grpc-message': 'the deadline of the call has passed',
      });
    });

    it.each(['99999999H', '597H', '35792M', '2147484S'])('that is far away as none: %s', async (timeout) => {
      const session = http2Client(started.port);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/rocketmq.RocketMQProxy/HealthCheck',
        'content-type': 'application/grpc',
        'grpc-timeout': timeout,
      });
      stream.end(Buffer.alloc(5));
      stream.resume();
      expect((await grpcEndOf(stream))['grpc-status']).toBe('0');
    });

    it.each([
      ['2147483648', 200],
      ['9999999999', 200],
      ['2147483647', 200],
      ['x', 400],
    ])('in Connect’s header too: %s is answered with %s', async (timeout, status) => {
      const response = await fetch(`http://127.0.0.1:${started.port}/rocketmq.RocketMQProxy/HealthCheck`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': timeout },
        body: '{}',
      });
      expect(response.status).toBe(status);
    });
  });

  it('takes requests that are compressed with gzip', async () => {
    const response = await fetch(`http://127.0.0.1:${started.port}/rocketmq.RocketMQProxy/HealthCheck`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: Buffer.from('H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==', 'base64'),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-encoding')).toBeNull();
  });

  it('goes on when a caller resets its stream before it was read', async () => {
    const session = http2Client(started.port);
    const stream = session.request({ ':method': 'POST', ':path': '/rocketmq.RocketMQProxy/HealthCheck' });
    stream.on('error', () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    expect(await client.healthCheck({})).toMatchObject({ healthy: true });
  });
});
