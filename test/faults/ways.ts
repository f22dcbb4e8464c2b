import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterClient } from '../../src/client/client.ts';
import type { RocketMQVersion } from '../rocketmq/java.ts';
import { History } from '../support/history.ts';
import { Reader, type ReaderOptions, type RealClients } from '../support/real-client.ts';
import { Row } from './figures.ts';
import type { Load } from './load.ts';

/** How a consumer receives. */
export type Way = 'pop' | 'pull';

/** How long a fault may hold up a queue, in ms. */
export const stuckMsMax = 35_000;

/** The ways that brokers know. */
export function waysOf(version: RocketMQVersion): readonly Way[] {
  return version.startsWith('4.') ? ['pull'] : ['pop', 'pull'];
}

/** A consumer of a group of its own that reads through all that happens, in a client of its own. */
export interface Witness {
  readonly title: string;
  readonly reader: Reader;
  readonly client: ClusterClient;
}

/** One for each way. They acknowledge what they get, and all options are the default ones. */
export function openWitnesses(
  clients: RealClients,
  topic: string,
  version: RocketMQVersion,
  options: ReaderOptions = {},
): Promise<readonly Witness[]> {
  return Promise.all(
    waysOf(version).map(async (way) => {
      const client = clients.create();
      const group = `g-${topic}-${way}`;
      // Proxies poll for as long as this.
      const reader = await Reader.open(client, { group, topic }, { mode: way, pollDurationMs: 5_000, ...options });
      return { title: `${version} ${way}`, reader, client };
    }),
  );
}

/** When all that the loads stored has come to a witness, or half as much time again has passed as a queue may be stuck: in ms from now. */
export async function settled({ reader }: Witness, loads: readonly Load[]): Promise<number> {
  const startMs = performance.now();
  const missing = new Set(
    loads.flatMap(({ sends }) => sends.flatMap(({ id, outcome }) => (outcome === 'stored' ? [id] : []))),
  );
  for (let seen = 0; performance.now() - startMs < 1.5 * stuckMsMax; await sleep(20)) {
    for (; seen < reader.messages.length; seen += 1) missing.delete(reader.messages[seen]?.body.toString() ?? '');
    if (missing.size === 0) break;
  }
  return performance.now() - startMs;
}

/** Tells what a witness has seen of the loads, which have ended, as a row of its own; the rest of it may be added. */
export function testimonyOf(name: string, { title, reader }: Witness, loads: readonly Load[]): Row {
  const row = new Row(`${name} ${title}`);
  const history = new History();
  for (const load of loads) for (const send of load.sends) history.add(send);
  const atMs = performance.now() - Date.now();
  for (const [index, { body, messageId, bornTimestampMs }] of reader.messages.entries()) {
    history.add({
      op: 'delivery',
      id: body.toString(),
      queue: messageId,
      queueOffset: 0,
      attempt: String(bornTimestampMs),
      atMs: (reader.receivedAtMs[index] ?? 0) + atMs,
    });
  }
  row.judged(history);
  return row
    .tell('messages received', reader.messages.length)
    .tell('of them more than once', reader.messages.length - new Set(reader.bodies).size);
}
