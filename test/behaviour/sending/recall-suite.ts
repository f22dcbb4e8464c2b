import { beforeAll, describe, expect, test } from 'vitest';
import type { Fields, GrownClient } from '../../support/grown-client.ts';
import { type Failure, failureOf } from '../../support/grpc-client.ts';
import { isBefore5, type Variant } from '../target.ts';
import type { StartedSending } from './started-sending.ts';

export function recallSuite(at: () => StartedSending, variant: Variant): void {
  let one: GrownClient;
  let other: GrownClient;
  let startTopic: StartedSending['startTopic'];

  beforeAll(() => {
    ({ one, other, startTopic } = at());
  });

  describe.skipIf(isBefore5(variant, 'noDeliveryTime'))('of a broker that delivers at times', () => {
    test.concurrent('a message that is taken back by any instance never comes; those beside it do', async () => {
      const { producer_id, consumer_id } = await startTopic('recalled');
      const start_deliver_time = Date.now() + 15_000;
      const properties = { start_deliver_time };
      const draft = (message_body: string) => ({ producer_id, message_body, properties });
      const delayed = (message_body: string) =>
        one.call('SendDelayMessage', { producer_id, message_body, start_deliver_time });
      const kept = await delayed('kept');
      const { outcomes } = await one.call('SendMessages', { producer_id, messages: [draft('in a batch')] });
      const taken = [await delayed('by its own RPC'), await one.call('SendMessage', draft('plain')), outcomes[0]];
      for (const { message_id, recall_handle } of taken) {
        expect(recall_handle).toMatch(/^[\w-]{50,400}$/);
        // Inner names stay inside.
        expect(Buffer.from(recall_handle, 'base64url').toString('latin1')).not.toContain('recalled');
        expect(await other.call('RecallMessage', { producer_id, recall_handle })).toEqual({
          success: true,
          message: 'the message is taken back',
          message_id,
        });
      }
      const stream = one.open('ReceiveMessages', { consumer_id });
      expect(await stream.take(1)).toMatchObject([{ message_body: 'kept' }]);
      expect(Date.now()).toBeGreaterThan(start_deliver_time - 2_000);
      const { recall_handle } = kept;
      expect(await failureOf(one.call('RecallMessage', { producer_id, recall_handle }))).toEqual<Failure>({
        code: 'FAILED_PRECONDITION',
        details: 'the message cannot be recalled any more: its time has come, or the handle is of another topic',
      });
      await one.call('SendMessage', { producer_id, message_body: 'last' });
      expect(await stream.take(1)).toMatchObject([{ message_body: 'last' }]);
      stream.cancel();
    });

    test.concurrent('a handle is good for producers of the same topic only', async () => {
      const { producer_id } = await startTopic('recall-owner');
      const { producer_id: stranger } = await startTopic('recall-stranger');
      const start_deliver_time = Date.now() + 600_000;
      const sent = await one.call('SendDelayMessage', { producer_id, message_body: 'x', start_deliver_time });
      const { recall_handle } = sent;
      const plain = Buffer.from(`v1 recall-owner broker-a ${start_deliver_time} ${sent['message_id']}`);
      for (const [id, handle] of [
        [stranger, recall_handle],
        [producer_id, `${recall_handle}A`],
        [producer_id, plain.toString('base64url')],
      ]) {
        expect(await failureOf(one.call('RecallMessage', { producer_id: id, recall_handle: handle }))).toEqual<Failure>(
          {
            code: 'INVALID_ARGUMENT',
            details: expect.stringContaining('recall_handle was not issued by this service'),
          },
        );
      }
    });
  });

  test.concurrent('there is no handle where nothing waits, or the broker delivers by levels', async () => {
    const { producer_id } = await startTopic('no-recall');
    const sent: readonly Fields[] = [
      await one.call('SendMessage', { producer_id, message_body: 'now' }),
      await one.call('SendDelayMessage', { producer_id, message_body: 'past', start_deliver_time: 1 }),
    ];
    expect(sent.map(({ recall_handle }) => recall_handle)).toEqual(['', '']);
    expect(await failureOf(one.call('RecallMessage', { producer_id, recall_handle: '' }))).toEqual<Failure>({
      code: 'INVALID_ARGUMENT',
      details: 'recall_handle is empty: pass the one that the send has returned',
    });
    expect((await failureOf(one.call('RecallMessage', { producer_id: 'x', recall_handle: 'x' }))).code).toBe(
      'NOT_FOUND',
    );
  });
}
