import { describe, expect, test } from 'vitest';
import type { SendResult } from '../../../src/client/send/outgoing-message.ts';
import { TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { outgoing, soon } from '../../support/real-client.ts';
import type { ClientSuite } from './client-suite.ts';

const { COMMIT, ROLLBACK } = TransactionOutcome;

/** Half messages are delivered once when they are committed, and asked for when nobody says so. */
export function describeTransactions(suite: ClientSuite): void {
  /** Message ids that the checker was asked about. */
  const asked: (string | undefined)[] = [];

  /** Stores a half message whose transaction nobody ends; who is asked for it says that it is committed. */
  async function askedFor(topic: string, body: string): Promise<SendResult> {
    const { transactions } = suite.clients.create({ producerGroup: `p-${topic}` }, ({ properties }) => {
      asked.push(properties.get('UNIQ_KEY'));
      return COMMIT;
    });
    const { sent } = await transactions.begin(outgoing(topic, body), undefined, soon());
    return sent;
  }

  describe.concurrent('transactions', () => {
    test('are seen after their commit, and never after their rollback', async () => {
      const topic = 'transactions';
      const reader = await suite.reader(topic, 4);
      const { transactions } = suite.clients.create({ producerGroup: 'p-ended' });
      const begin = (body: string) => transactions.begin(outgoing(topic, body), undefined, soon());
      const [committed, rolledBack] = [await begin('committed'), await begin('rolled back')];
      await suite.send(topic, 'before');
      await reader.count(1);
      transactions.end(rolledBack, ROLLBACK);
      transactions.end(committed, COMMIT);
      await reader.count(2);
      expect(reader.bodies).toEqual(['before', 'committed']);
      expect(reader.messages[1]?.messageId).toBe(committed.sent.messageId);
      // A broker that asks has seen all older ones before.
      await askedFor(topic, 'clock');
      await reader.count(3);
      expect(reader.bodies).toEqual(['before', 'committed', 'clock']);
      await reader.stop();
    });

    test('that nobody has ended are asked for', async () => {
      const reader = await suite.reader('asked-for', 4);
      const { messageId } = await askedFor('asked-for', 'asked for');
      const [message] = await reader.count(1);
      expect(message?.messageId).toBe(messageId);
      expect(asked).toContain(messageId);
      await reader.stop();
    });

    test('whose end got lost are asked for, and delivered once', async () => {
      const topic = 'lost-ends';
      const reader = await suite.reader(topic, 4);
      const { producer, transactions } = suite.clients.create({ producerGroup: topic });
      const begin = (body: string) => transactions.begin(outgoing(topic, body), undefined, soon());
      const loseEnd = async (body: string, outcome: typeof COMMIT | typeof ROLLBACK): Promise<void> => {
        const pending = await begin(body);
        // The connection is gone; a new one is there for the broker to ask by.
        pending.sent.channel.close();
        await producer.send(outgoing(topic, `after ${body}`), soon());
        transactions.end(pending, outcome);
      };
      await loseEnd('commit', COMMIT);
      await loseEnd('rollback', ROLLBACK);
      await reader.until(() => reader.bodies.includes('commit'));
      // By the time that one more has been asked for, a second copy would have come.
      await loseEnd('clock', COMMIT);
      await reader.until(() => reader.bodies.includes('clock'));
      expect(reader.bodies.toSorted()).toEqual(['after clock', 'after commit', 'after rollback', 'clock', 'commit']);
      await reader.stop();
    });
  });
}
