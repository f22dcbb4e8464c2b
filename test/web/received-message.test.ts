import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { MessageSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { WebMessage } from '../../src/web/received-message.ts';

it('has what the proxy delivers, and its body as text too', () => {
  const binaryBody = new TextEncoder().encode('grün');
  const fields = { messageId: 'id', receiptHandle: 'one', tag: 't', properties: { a: 'b' }, reconsumeTimes: 2 };
  const message = new WebMessage(create(MessageSchema, { ...fields, binaryBody, bornTimestamp: 1_700_000_000_000n }));
  expect(message).toMatchObject({ ...fields, body: 'grün', binaryBody, bornTimestamp: 1_700_000_000_000 });
  message.renew('other');
  expect(message.receiptHandle).toBe('other');
  expect(new WebMessage(create(MessageSchema, { binaryBody: new Uint8Array([0xff]) })).body).toBe('\ufffd');
});
