import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { CommandContent } from '../../src/remoting/command.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { PopInitMode, popMessage } from '../../src/remoting/requests/pop-message.ts';
import { bytesOf } from '../support/connected-channel.ts';
import { connectEngine, pullContent, startTestEngine } from '../support/engine-client.ts';

const topic = 'large';
const messageBytes = 4_000_000;
const messageCount = 20;
const requestCount = 40;
/** What may wait for one connection (16 MiB), what the network takes by itself (10 MB at most), and one more. */
const answeredMax = 8;

/** Requests whose answers wait for something, so that nothing of one is written when the next is worked on. */
const requests: readonly (readonly [string, (number: number) => CommandContent])[] = [
  ['POPs', () => popContent('poppers')],
  ['POPs of new groups', (number) => popContent(`poppers-${number}`)],
  ['pulls of new groups', (number) => pullContent(topic, { group: `pullers-${number}`, countMax: 1 })],
];

function popContent(consumerGroup: string): CommandContent {
  return popMessage.encode({
    consumerGroup,
    topic,
    queueId: 0,
    messageCountMax: 1,
    invisibleDurationMs: 60_000,
    pollDurationMs: 0,
    bornTimeMs: Date.now(),
    initMode: PopInitMode.MIN,
    expressionType: 'TAG',
    expression: '*',
    order: false,
  });
}

describe('a client that reads nothing of what it asks for', () => {
  test.each(requests)('has few answers made for it, of %s', { timeout: 30_000 }, async (_, contentOf) => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    for (let sent = 0; sent < messageCount; sent += 1) await client.send(topic, 'x'.repeat(messageBytes));
    const socket = connect(Number(broker.brokerAddress.split(':').at(-1)), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const frames = Array.from({ length: requestCount }, (_unused, number) => {
      const { code, extFields } = contentOf(number);
      return bytesOf({ code, opaque: number, extFields, body: Buffer.alloc(0) });
    });
    // All of them fit into one read of the socket.
    socket.write(Buffer.concat(frames));
    const answered = (): number => broker.engine.statistics.gotTotals().now;
    await vi.waitFor(() => expect(answered()).toBeGreaterThan(0), { timeout: 10_000, interval: 1 });
    // Others are served meanwhile.
    for (let turn = 0; turn < 100; turn += 1) await client.pull(topic, { offset: messageCount });
    expect(answered()).toBeLessThanOrEqual(answeredMax);
    const decoder = new FrameDecoder();
    let answerCount = 0;
    socket.on('data', (chunk: Buffer) => {
      answerCount += decoder.push(chunk).length;
    });
    await vi.waitFor(() => expect(answerCount).toBe(requestCount), { timeout: 20_000 });
  });
});
