import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Message } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { peerPath } from '../../../src/proxy/instances/peers.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { startTestBroker } from '../../../src/testing/testing.ts';

import { releasedOffsets, type ScriptedCluster, type ScriptedPop } from '../../support/scripted-cluster.ts';

import { type StartedInstance, startTestInstance } from '../../support/started-instance.ts';
import { startTestCluster, testSealKey } from '../../support/started-proxy.ts';

const { ACK_MESSAGE, CHANGE_MESSAGE_INVISIBLE_TIME } = RequestCode;

interface Reading {
  readonly stream: AsyncIterator<Message>;
  /** The handle of the next message. */
  next(): Promise<string>;
  end(): Promise<void>;
}

function read({ client }: StartedInstance, consumerId: string): Reading {
  const gone = new AbortController();
  const stream = client.receiveMessages({ consumerId }, { signal: gone.signal })[Symbol.asyncIterator]();
  onTestFinished(() => gone.abort());
  return {
    stream,
    next: async () => (await stream.next()).value.receiptHandle,
    end: async () => {
      gone.abort();
      await stream.next().catch(() => {});
    },
  };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'taken';
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return `${Code[code]} ${rawMessage}`;
  }
}

describe('a message that another instance handed out', () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let one: StartedInstance;
  let other: StartedInstance;
  let consumerId: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    one = await startTestInstance();
    other = await startTestInstance();
    const request = { endpoint: cluster.nameServer.address, topic: 'topic', groupId: 'g' };
    ({ consumerId } = await one.client.createConsumer(request));
  });

  it('is not given back at the end of its stream when it was acknowledged through this one', async () => {
    const reading = read(one, consumerId);
    pop.arriveOffsets(1, 2, 3);
    const handles = [await reading.next(), await reading.next(), await reading.next()];
    const [first = '', second = ''] = handles;
    await other.client.ackMessage({ consumerId, receiptHandle: first });
    const { outcomes } = await other.client.ackMessages({ consumerId, receiptHandles: [first, second] });
    expect(outcomes.map(({ success }) => success)).toEqual([true, true]);
    await reading.end();
    await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    expect(releasedOffsets(cluster.broker)).toEqual([3]);
  });

  it('is refused an ack once it was given back there', async () => {
    const reading = read(one, consumerId);
    pop.arriveOffsets(1);
    const receiptHandle = await reading.next();
    await reading.end();
    await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    expect(await refusal(other.client.ackMessage({ consumerId, receiptHandle }))).toMatch(
      /^FailedPrecondition the message was given back/,
    );
  });

  it('is given more time, given back and acknowledged through either', async () => {
    const reading = read(one, consumerId);
    pop.arriveOffsets(1, 2);
    const [first, second] = [await reading.next(), await reading.next()];
    const changed = await other.client.changeInvisibleDuration({
      consumerId,
      receiptHandle: first,
      invisibleDurationMs: 60_000,
    });
    expect(await refusal(one.client.ackMessage({ consumerId, receiptHandle: first }))).toMatch(
      /^FailedPrecondition another receipt has replaced this one/,
    );
    await one.client.ackMessage({ consumerId, receiptHandle: changed.receiptHandle });
    await other.client.nackMessage({ consumerId, receiptHandle: second });
    expect(await refusal(one.client.ackMessage({ consumerId, receiptHandle: second }))).toMatch(
      /^FailedPrecondition the message was given back/,
    );
    expect(await refusal(other.client.nackMessage({ consumerId, receiptHandle: second, delayMs: -1 }))).toMatch(
      /^InvalidArgument delay_ms is -1/,
    );
  });

  it('is acknowledged by this one when that one has gone, or cannot be asked', async () => {
    const reading = read(one, consumerId);
    pop.arriveOffsets(1, 2);
    const [first, second] = [await reading.next(), await reading.next()];
    await one.status.close();
    expect((await other.client.ackMessage({ consumerId, receiptHandle: first })).success).toBe(true);
    expect((await cluster.broker.request(ACK_MESSAGE)).extFields['offset']).toBe('1');
    await one.proxy.close(0);
    // Another process has the address now.
    const successor = await startTestInstance();
    one.instance.reachableAt(`127.0.0.1:${successor.status.port}`);
    expect((await other.client.ackMessage({ consumerId, receiptHandle: second })).success).toBe(true);
  });

  it('may be acknowledged while that one shuts down, which gives back the rest', async () => {
    const reading = read(one, consumerId);
    pop.arriveOffsets(1, 2);
    const [first] = [await reading.next(), await reading.next()];
    const closed = one.proxy.close(1_000);
    await expect(reading.next()).rejects.toThrow('the proxy is shutting down');
    expect((await other.client.ackMessage({ consumerId, receiptHandle: first })).success).toBe(true);
    await closed;
    expect(cluster.broker.requests(ACK_MESSAGE).map(({ extFields }) => extFields['offset'])).toEqual(['1']);
    expect(releasedOffsets(cluster.broker)).toEqual([2]);
  });

  it('is nobody else’s to ask about', async () => {
    const url = `http://127.0.0.1:${one.status.port}${peerPath}`;
    const ask = async (id: string, body: string) => (await fetch(url + id, { method: 'POST', body })).status;
    const { id } = one.instance;
    const sealed = new Sealer([testSealKey]).seal('receipt', Buffer.from('["ask"]'));
    const strange = new Sealer([Buffer.alloc(32, 'strange')]).seal('peer', Buffer.from('["ask"]'));
    expect(await Promise.all(['', 'x', sealed, strange, 'x'.repeat(100_000)].map((body) => ask(id, body)))).toEqual(
      Array(5).fill(403),
    );
    expect(await ask('nobody', 'x')).toBe(404);
    expect((await fetch(url + id)).status).toBe(404);
  });
});

describe('a message that another instance received by pull', () => {
  it('is acknowledged through this one, and its place is stored', async () => {
    const engine = await startTestBroker();
    onTestFinished(() => engine.close());
    const changes = { client: { consumeMode: 'pull' } } as const;
    const [one, other] = [await startTestInstance(changes), await startTestInstance(changes)];
    const request = { endpoint: engine.nameServer, topic: 'topic', groupId: 'g' };
    const { producerId } = await one.client.createProducer(request);
    const { consumerId } = await one.client.createConsumer(request);
    await one.client.sendMessage({ producerId, messageBody: 'x' });
    const reading = read(one, consumerId);
    const receiptHandle = await reading.next();
    expect((await other.client.ackMessage({ consumerId, receiptHandle })).success).toBe(true);
    expect((await one.client.ackMessage({ consumerId, receiptHandle })).success).toBe(true);
    await one.proxy.close(0);
    // What was not acknowledged would come first.
    await other.client.sendMessage({ producerId, messageBody: 'y' });
    const { value } = await read(other, consumerId).stream.next();
    expect(value.messageBody).toBe('y');
  });
});
