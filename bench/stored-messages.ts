import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterClient } from '../src/client/client.ts';
import { clientDefaults } from '../src/client/options.ts';
import { Deadline } from '../src/remoting/deadline.ts';

const batchCount = 200;
const untilKnownMs = 60_000;

/** Stores what is to be received, and waits until name servers know the topic. */
export async function fillTopic(nameServer: string, topic: string, count: number, bodyBytes: number): Promise<void> {
  const log = { debug() {}, info() {}, warn: console.error, error: console.error };
  const client = new ClusterClient({ ...clientDefaults, nameServers: [nameServer], log });
  try {
    await store(client, topic, count, bodyBytes);
    await untilKnown(client, topic);
  } finally {
    await client.close();
  }
  // A broker may put messages into their queues a little after its answer.
  await sleep(1_000);
}

/** Stores so many messages, in batches, eight at a time. */
export async function store(client: ClusterClient, topic: string, count: number, bodyBytes: number): Promise<void> {
  const message = { topic, body: Buffer.alloc(bodyBytes, 'x'), delivery: { kind: 'now' } } as const;
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      const batch = Array.from({ length: Math.min(batchCount, left) }, () => message);
      left -= batch.length;
      await client.producer.sendBatch(batch, Deadline.after(60_000));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Waits until name servers know the topic: client-go fails where many of its first sends to a new one meet. */
async function untilKnown(client: ClusterClient, topic: string): Promise<void> {
  const deadline = Deadline.after(untilKnownMs);
  for (;;) {
    try {
      await client.admin.topicOffsets(topic, deadline);
      return;
    } catch (error) {
      if (deadline.remainingMs() === 0) throw error;
      await sleep(100);
    }
  }
}
