import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { CommandContent } from '../../src/remoting/command.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { peekMessage } from '../../src/remoting/requests/peek-message.ts';
import { PopInitMode, popMessage } from '../../src/remoting/requests/pop-message.ts';
import { bytesOf } from '../support/connected-channel.ts';
import { connectEngine, pullContent, startTestEngine } from '../support/engine-client.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const topic = 'large';
const messageBytes = 1_000_000;
const messageCount = 60;

/** Requests whose answers wait for something, so that nothing of one is written when the next is worked on. */
const requests: readonly (readonly [string, (number: number) => CommandContent])[] = [
  ['POPs', () => popContent('poppers')],
  ['POPs of new groups', (number) => popContent(`poppers-${number}`)],
  ['pulls of new groups', (number) => pullContent(topic, { group: `pullers-${number}` })],
  ['peeks', () => peekMessage.encode({ consumerGroup: 'peekers', topic, queueId: 0, messageCountMax: 1 })],
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
  test.each(requests)('costs little memory with %s', { timeout: 30_000 }, async (_, contentOf) => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    for (let sent = 0; sent < messageCount; sent += 1) await client.send(topic, 'x'.repeat(messageBytes));
    const socket = connect(Number(broker.brokerAddress.split(':').at(-1)), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const usedBytes = (): number => process.memoryUsage().arrayBuffers;
    // What was left over before would hide what is used now.
    collectGarbage();
    const before = usedBytes();
    const contents = Array.from({ length: 150 }, (_unused, number) => contentOf(number));
    // What fits into one read of the socket.
    socket.write(
      Buffer.concat(
        contents.map(({ code, extFields }, opaque) => bytesOf({ code, opaque, extFields, body: Buffer.alloc(0) })),
      ),
    );
    let most = 0;
    // Others are served meanwhile, so what this one asked for was looked at.
    for (let turn = 0; turn < 50; turn += 1) {
      await client.pull(topic, { offset: messageCount });
      collectGarbage();
      most = Math.max(most, usedBytes() - before);
      await nextTurn();
    }
    expect(most).toBeLessThan(24_000_000);
    const decoder = new FrameDecoder();
    let answerCount = 0;
    socket.on('data', (chunk: Buffer) => {
      answerCount += decoder.push(chunk).length;
    });
    await vi.waitFor(() => expect(answerCount).toBe(contents.length), { timeout: 10_000 });
    expect((await client.send(topic, 'small')).queueOffset).toBe(BigInt(messageCount));
  });
});
