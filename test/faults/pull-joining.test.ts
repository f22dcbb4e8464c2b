import { setTimeout as sleep } from 'node:timers/promises';
import { it, onTestFinished } from 'vitest';
import { ClientError } from '../../src/client/errors.ts';
import { History } from '../support/history.ts';
import { Reader, soon } from '../support/real-client.ts';
import { Row } from './figures.ts';
import { Load, sendBy } from './load.ts';
import { type Stage, stageOnEngine } from './stages.ts';

const subscriber = { group: 'g-joined', topic: 'joined' };
/** How long a handler works on a message, in ms: with it about 1,000 are in flight. */
const handlerDurationMs = 4_000;
const perSecond = 250;

/** What became of the messages of a member. */
interface Worker {
  readonly reader: Reader;
  readonly acknowledged: ReadonlySet<string>;
  readonly expired: ReadonlySet<string>;
}

/** A member that works on each message for a while, and on many at once. */
async function startWorker(stage: Stage): Promise<Worker> {
  const acknowledged = new Set<string>();
  const expired = new Set<string>();
  const reader = await Reader.open(stage.clients.create(), subscriber, {
    mode: 'pull',
    ack: false,
    messagesMax: 4_000,
    pollDurationMs: 5_000,
    onMessage: async ({ messageId, receipt }, consumer) => {
      const work = async (): Promise<void> => {
        await sleep(handlerDurationMs);
        await consumer.ack(receipt, soon());
        acknowledged.add(messageId);
      };
      work().catch((error: unknown) => {
        if (error instanceof ClientError && error.kind === 'expired') expired.add(messageId);
      });
    },
  });
  return { reader, acknowledged, expired };
}

it('R-15: a member joins a group that receives by pull, with 1,000 messages in flight', async () => {
  const row = new Row('R-15 engine pull, a member joins');
  const stage = await stageOnEngine('pull');
  await stage.createTopic(subscriber.topic);
  const first = await startWorker(stage);
  const load = new Load(new History(), sendBy(stage.clients.create(), subscriber.topic, 5_000)).start(perSecond);
  onTestFinished(() => load.stop());
  await sleep(8_000);
  const inFlightCount = first.reader.consumer.inFlightCount;
  const second = await startWorker(stage);
  await second.reader.count(1_000);
  await sleep(3_000);
  await load.stop();
  const stored = load.sends.filter(({ outcome }) => outcome === 'stored').map(({ id }) => id);
  const ids = (worker: Worker): string[] => worker.reader.messages.map(({ messageId }) => messageId);
  const isMissing = (): boolean => {
    const seen = new Set([...first.reader.bodies, ...second.reader.bodies]);
    return stored.some((id) => !seen.has(id));
  };
  while (isMissing()) await sleep(100);
  await sleep(2 * handlerDurationMs);
  const own = new Set(ids(first));
  const twice = [...new Set(ids(second))].filter((id) => own.has(id));
  const expired = twice.filter((id) => first.expired.has(id));
  const acknowledged = twice.filter((id) => first.acknowledged.has(id));
  row
    .exactly('sends failed', load.failures.length, 0)
    .tell('in flight when the second member came', inFlightCount)
    .tell('messages that came to both', twice.length)
    .tell('of them not acknowledged by the first one in time', expired.length)
    .tell('of them acknowledged by the first one, later than its offset was stored', acknowledged.length)
    .exactly('of them for another reason', twice.length - expired.length - acknowledged.length, 0)
    .judge();
  await Promise.all([first.reader.stop(), second.reader.stop()]);
});
