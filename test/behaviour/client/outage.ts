import { expect, test, vi } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { outgoing, soon } from '../../support/real-client.ts';
import { type ClientSuite, numbers } from './client-suite.ts';

/** To be the last part: it kills the broker. */
export function describeOutage(suite: ClientSuite): void {
  test('a broker that is killed and comes back: nothing that was acknowledged to a sender is lost', async () => {
    const topic = 'killed';
    const reader = await suite.reader(topic, 4);
    const stored = new Set<string>();
    const unknown = new Set<string>();
    const failures: unknown[] = [];
    let stopped = false;
    let number = 0;
    const sender = async (): Promise<void> => {
      while (!stopped) {
        number += 1;
        const body = String(number);
        try {
          await suite.client.producer.send(outgoing(topic, body), soon());
          stored.add(body);
        } catch (error) {
          failures.push(error);
          if (error instanceof ClientError && error.kind === 'outcomeUnknown') unknown.add(body);
        }
        // The reader acknowledges one by one, so it is slower than eight senders.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const senders = numbers(8).map(sender);
    await reader.count(200);
    await suite.target.stopBroker();
    await vi.waitUntil(() => failures.length > 0, { timeout: 30_000 });
    await suite.target.startBroker();
    const before = stored.size;
    await reader.until(() => stored.size > before + 200);
    stopped = true;
    await Promise.all(senders);
    const isComplete = (): boolean => {
      const received = new Set(reader.bodies);
      return [...stored].every((body) => received.has(body));
    };
    await reader.until(isComplete);
    for (const failure of failures) expect(failure).toBeInstanceOf(ClientError);
    expect(reader.bodies.filter((body) => !stored.has(body) && !unknown.has(body))).toEqual([]);
    await reader.stop();
  });
}
