// An ordered consumer in a process of its own, to be killed: node ordered-program.mjs NAME_SERVERS TOPIC GROUP
// Writes a line for each message that it begins with, gives back, or is done with, before the broker can know of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [, , nameServers, topic, group] = process.argv;
const handlerDurationMs = 40;

function tell(op, { bornAt, queueId, queueOffset, ...message }) {
  // The same clock in all processes of a machine.
  const atMs = Number(process.hrtime.bigint()) / 1e6;
  const place = { queueId, queueOffset: Number(queueOffset), attempt: String(bornAt.getTime()) };
  process.stdout.write(`${JSON.stringify({ op, id: message.body.toString(), ...place, atMs })}\n`);
}

const client = new RocketMQClient({ nameServers });
const consumer = client.pushConsumer({
  group,
  ordered: true,
  consumeFrom: 'first',
  invisibleDurationMs: 4_000,
  handler: async (message) => {
    tell('begin', message);
    await sleep(handlerDurationMs);
    if (message.reconsumeTimes === 0 && message.queueOffset % 7n === 0n) {
      tell('nack', message);
      return { retryAfterMs: 200 };
    }
    tell('done', message);
    return 'ack';
  },
});
await consumer.subscribe(topic);
process.stdout.write('{"op":"subscribed"}\n');
