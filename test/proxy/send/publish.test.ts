import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type PublishRequest, PublishRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { listenerLimits } from '../../../src/proxy/port/listener-limits.ts';
import { type Call, rpcBytesMax } from '../../../src/proxy/rpc/call.ts';
import { failure } from '../../../src/proxy/rpc/failures.ts';
import { createPublishHandlers, publishBytesMax, publishRequestsMax } from '../../../src/proxy/send/publish.ts';
import type { SendOptions } from '../../../src/proxy/send/send-options.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { GrownClient } from '../../support/grown-client.ts';
import { failureOf } from '../../support/grpc-client.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import { type ScriptedCluster, storedAt } from '../../support/scripted-cluster.ts';
import { type Answer, deferred } from '../../support/scripted-peer.ts';
import { clientOf, proxyOptions, startTestCluster, startTestProxy } from '../../support/started-proxy.ts';

const { HEART_BEAT, SEND_BATCH_MESSAGE } = RequestCode;

/** The requests of a stream, and how many of them have been asked for. */
class Requests implements AsyncIterable<PublishRequest> {
  askedCount = 0;
  readonly #next: (index: number) => MessageInitShape<typeof PublishRequestSchema> | undefined;

  /** @param next undefined: the caller ends its half. */
  constructor(next: (index: number) => MessageInitShape<typeof PublishRequestSchema> | undefined) {
    this.#next = next;
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const request = this.#next(this.askedCount);
      this.askedCount += 1;
      if (request === undefined) return;
      yield create(PublishRequestSchema, request);
    }
  }
}

describe('publishing by a stream', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let producerId: string;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' };
    producerId = parts.sessions.createProducer({ ...target, topic: 'topic', owner: '' });
    cluster.broker.on(SEND_BATCH_MESSAGE, (request) => storedAt(cluster.broker.address, request, 0n));
  });

  const open = (
    requests: AsyncIterable<PublishRequest>,
    call: Call = patientCall(),
    changes: Partial<SendOptions> = {},
  ) => createPublishHandlers(parts, sendOptions(changes)).publish(requests, call)[Symbol.asyncIterator]();

  type Answers = ReturnType<typeof open>;

  async function idsOf(answers: Answers): Promise<number[]> {
    const ids: number[] = [];
    for (let next = await answers.next(); next.done !== true; next = await answers.next())
      ids.push(Number(next.value.requestId));
    return ids;
  }

  /** From now on the broker answers only when it is told to. */
  function hold(): () => void {
    const released = deferred<void>();
    cluster.broker.on(SEND_BATCH_MESSAGE, async (request): Promise<Answer> => {
      await released.promise;
      return storedAt(cluster.broker.address, request, 0n);
    });
    return () => released.resolve();
  }

  const message = { messageBody: 'body' };
  const request = (index: number) => ({ requestId: BigInt(index), producerId, messages: [message] });

  it(`reads ${publishRequestsMax} requests ahead of their answers, and then one for each answer that is taken`, async () => {
    const release = hold();
    const requests = new Requests((index) => (index < 200 ? request(index) : undefined));
    const answers = open(requests);
    const first = answers.next();
    await cluster.broker.request(SEND_BATCH_MESSAGE, publishRequestsMax - 1);
    expect(requests.askedCount).toBe(publishRequestsMax);
    release();
    await first;
    // The answers are there, but nobody takes them.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(requests.askedCount).toBe(publishRequestsMax);
    await answers.next();
    await cluster.broker.request(SEND_BATCH_MESSAGE, publishRequestsMax);
    expect(requests.askedCount).toBe(publishRequestsMax + 1);
    expect(await idsOf(answers)).toHaveLength(198);
  });

  it('reads no further request while those under way have as many bytes as may be', async () => {
    const release = hold();
    const messageBody = 'x'.repeat(publishBytesMax / 8);
    const requests = new Requests((index) =>
      index < 10 ? { ...request(index), messages: [{ messageBody }] } : undefined,
    );
    const answers = open(requests);
    const first = answers.next();
    await cluster.broker.request(SEND_BATCH_MESSAGE, 7);
    expect(requests.askedCount).toBe(8);
    release();
    await first;
    expect(await idsOf(answers)).toHaveLength(9);
  });

  it('sends messages of one sharding key one request after the other, and others side by side', async () => {
    const release = hold();
    const keys = ['a', 'a', 'b'];
    const requests = new Requests((index) => {
      const shardingKey = keys[index];
      if (shardingKey === undefined) return undefined;
      return { ...request(index), messages: [{ messageBody: `${shardingKey} ${index}`, properties: { shardingKey } }] };
    });
    const ids = idsOf(open(requests));
    await cluster.broker.request(SEND_BATCH_MESSAGE, 1);
    const bodies = () =>
      cluster.broker.requests(SEND_BATCH_MESSAGE).map(({ body }) => /[ab] \d/.exec(body.toString())?.[0]);
    expect(bodies()).toEqual(['a 0', 'b 2']);
    release();
    expect((await ids).toSorted()).toEqual([0, 1, 2]);
    expect(bodies()[2]).toBe('a 1');
  });

  it('when the proxy shuts down it answers what is under way, reads no more, and says so', async () => {
    const release = hold();
    const draining = new AbortController();
    const never = deferred<void>();
    const requests = (async function* () {
      yield create(PublishRequestSchema, request(1));
      await never.promise;
    })();
    const answers = open(requests, patientCall(), { draining: draining.signal });
    const first = answers.next();
    await cluster.broker.request(SEND_BATCH_MESSAGE);
    draining.abort();
    release();
    expect((await first).value).toMatchObject({ requestId: 1n, outcome: { success: true } });
    expect(await refusalOf(answers.next())).toEqual(['SHUTTING_DOWN', expect.stringContaining('another instance')]);
  });

  it('counts each request against the limits of its client, and fails those that are over', async () => {
    let leftCount = 0;
    let enteredCount = 0;
    const refused = failure(Code.ResourceExhausted, 'OVERLOADED', 'too many');
    const limitOne = async () => {
      enteredCount += 1;
      if (enteredCount === 2) throw refused;
      return () => {
        leftCount += 1;
      };
    };
    const reported: unknown[] = [];
    const onFailures: SendOptions['onFailures'] = (rpc, failures) => reported.push([rpc, ...failures]);
    const requests = new Requests((index) => (index < 3 ? request(index) : undefined));
    const answers = open(requests, { ...patientCall(), limitOne }, { onFailures });
    const outcomes = new Map<unknown, unknown>();
    for (let next = await answers.next(); next.done !== true; next = await answers.next())
      outcomes.set(next.value.requestId, next.value.outcome?.reason);
    expect(outcomes).toEqual(
      new Map([
        [0n, undefined],
        [1n, 'OVERLOADED'],
        [2n, undefined],
      ]),
    );
    expect([enteredCount, leftCount]).toEqual([3, 2]);
    expect(reported).toEqual([['Publish', refused]]);
  });

  it('fails behind its answers when requests can be read no more', async () => {
    const unreadable = new Error('no protobuf');
    const requests = (async function* () {
      yield create(PublishRequestSchema, request(1));
      throw unreadable;
    })();
    const answers = open(requests);
    expect((await answers.next()).value).toMatchObject({ requestId: 1n });
    await expect(answers.next()).rejects.toBe(unreadable);
  });

  it('reads no more when its reader has gone', async () => {
    const requests = new Requests(request);
    const gone = new AbortController();
    const answers = open(requests, patientCall(gone.signal));
    await answers.next();
    gone.abort();
    await answers.return?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { askedCount } = requests;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(requests.askedCount).toBe(askedCount);
  });

  it('is held to what its client may do, request by request', async () => {
    const clientLimits = { clientCallsMax: 1, clientStreamsMax: 1, clientCallsPerSecond: 0 };
    const { port, proxy, log } = await startTestProxy({ clientLimits });
    const client = clientOf(port);
    const endpoint = cluster.nameServer.address;
    ({ producerId } = await client.createProducer({ endpoint, topic: 'topic' }));
    const release = hold();
    const bothAnswered = deferred<void>();
    const requests = (async function* () {
      yield request(1);
      yield request(2);
      await bothAnswered.promise;
    })();
    const answers = client.publish(requests)[Symbol.asyncIterator]();
    // The first is under way, so there is no room for the second.
    expect((await answers.next()).value).toMatchObject({ requestId: 2n, outcome: { reason: 'OVERLOADED' } });
    release();
    expect((await answers.next()).value).toMatchObject({ requestId: 1n, outcome: { success: true } });
    bothAnswered.resolve();
    expect((await answers.next()).done).toBe(true);
    expect(proxy.metrics.snapshot()).toMatchObject({ messages_sent: 1, error_count: 1 });
    const counts = { ResourceExhausted: 1 };
    expect(log.lines.map(({ fields }) => fields)).toContainEqual({ rpc: 'Publish', counts });
  });

  it('lets the proxy shut down while nothing is asked of it', async () => {
    const { port, proxy } = await startTestProxy();
    const client = new GrownClient(`127.0.0.1:${port}`);
    onTestFinished(() => client.close());
    const created = await client.call('CreateProducer', { endpoint: cluster.nameServer.address, topic: 'topic' });
    const { producer_id } = created;
    const [answers, checks] = [client.converse('Publish'), client.open('ReceiveTransactionChecks', { producer_id })];
    answers.call.write({ producer_id, messages: [{ message_body: 'body' }] });
    await answers.take(1);
    await cluster.broker.until(() =>
      cluster.broker.requests(HEART_BEAT).some(({ body }) => body.toString().includes('{"groupName":"topic"}')),
    );
    await proxy.close(30_000);
    for (const stream of [answers, checks]) expect((await failureOf(stream.ended())).code).toBe('UNAVAILABLE');
  });

  describe('on the wire', () => {
    const longMs = 3_600_000;
    const quick = {
      listener: { ...proxyOptions().listener, readTimeoutMs: 50, limits: { ...listenerLimits, sweepMs: 10 } },
    };

    function grownClientOf(port: number): GrownClient {
      const client = new GrownClient(`127.0.0.1:${port}`);
      onTestFinished(() => client.close());
      return client;
    }

    const createProducer = async (port: number) =>
      (await clientOf(port).createProducer({ endpoint: cluster.nameServer.address, topic: 'topic' })).producerId;

    it('tells what became of all that came before a request that is too large', async () => {
      const { port } = await startTestProxy();
      const client = grownClientOf(port);
      const producer_id = await createProducer(port);
      const release = hold();
      const stream = client.converse('Publish');
      stream.call.write({ request_id: 1, producer_id, messages: [{ message_body: 'good' }] });
      await cluster.broker.request(SEND_BATCH_MESSAGE);
      stream.call.write({ request_id: 2, messages: [{ binary_body: Buffer.alloc(rpcBytesMax) }] });
      // One connection: when this is answered, the head of the request before has come.
      for (let call = 0; call < 3; call += 1) await client.call('HealthCheck', {});
      release();
      expect((await failureOf(stream.ended())).code).toBe('RESOURCE_EXHAUSTED');
      expect(stream.received).toMatchObject([{ request_id: '1', outcomes: [{ outcome: { success: true } }] }]);
    });

    it('ends when the proxy shuts down, behind its answers, also by a client that never ends its requests', async () => {
      const { port, proxy } = await startTestProxy(quick);
      const id = await createProducer(port);
      const release = hold();
      const never = deferred<void>();
      const requests = (async function* () {
        yield { ...request(1), producerId: id };
        await never.promise;
      })();
      const answers = clientOf(port).publish(requests)[Symbol.asyncIterator]();
      const first = answers.next();
      await cluster.broker.request(SEND_BATCH_MESSAGE);
      const closed = proxy.close(longMs);
      release();
      expect((await first).value).toMatchObject({ requestId: 1n, outcome: { success: true } });
      expect(await refusalOf(answers.next())).toEqual(['SHUTTING_DOWN', expect.stringContaining('another instance')]);
      await closed;
      never.resolve();
    });

    it('lasts longer than a client may take to send a request of one message', async () => {
      const { port } = await startTestProxy(quick);
      const client = grownClientOf(port);
      const producer_id = await createProducer(port);
      const stream = client.converse('Publish');
      stream.call.write({ request_id: 1, producer_id, messages: [{ message_body: 'one' }] });
      await stream.take(1);
      const slow = connect(`http://127.0.0.1:${port}`);
      onTestFinished(() => slow.destroy());
      const unended = slow.request(
        { ':method': 'POST', ':path': '/rocketmq.RocketMQProxy/HealthCheck', 'content-type': 'application/grpc' },
        { endStream: false },
      );
      unended.on('error', () => {});
      await once(unended, 'close');
      expect(unended.rstCode).toBe(constants.NGHTTP2_CANCEL);
      stream.call.write({ request_id: 2, messages: [{ message_body: 'two' }] });
      expect(await stream.take(1)).toMatchObject([{ request_id: '2', outcome: { success: true } }]);
      stream.call.end();
      await stream.ended();
    });
  });
});
