import { create, toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  AckMessageRequestSchema,
  HealthCheckResponseSchema,
  SendMessageRequestSchema,
  SendMessageResponseSchema,
} from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { decoderOf, encoderOf, requestDecoderOf } from '../../src/wire/message-codec.ts';
import { ProtoError } from '../../src/wire/proto-error.ts';
import { ProtoWriter } from '../../src/wire/proto-writer.ts';

it('reads and writes by generated code, over what it wrote before', () => {
  const encode = encoderOf(SendMessageResponseSchema, new ProtoWriter());
  const first = encode({ success: true, messageId: 'm1' });
  expect(decoderOf(SendMessageResponseSchema)(first)).toEqual(
    create(SendMessageResponseSchema, { success: true, messageId: 'm1' }),
  );
  const second = encode({ success: true, messageId: 'm2' });
  expect(first).toEqual(second);
  expect(() => decoderOf(SendMessageResponseSchema)(second.subarray(1))).toThrow(ProtoError);
});

it('reads and writes by protobuf-es what has no code of its own', () => {
  const message = create(HealthCheckResponseSchema, { healthy: true, message: 'OK' });
  const bytes = encoderOf(HealthCheckResponseSchema, new ProtoWriter())({ healthy: true, message: 'OK' });
  expect(bytes).toEqual(toBinary(HealthCheckResponseSchema, message));
  expect(decoderOf(HealthCheckResponseSchema)(bytes)).toEqual(message);
});

it('reads requests raw where that is generated, others as ever', () => {
  const send = toBinary(SendMessageRequestSchema, create(SendMessageRequestSchema, { messageBody: 'größe' }));
  expect(requestDecoderOf(SendMessageRequestSchema)(send)).toMatchObject({ messageBody: Buffer.from('größe') });
  const ack = create(AckMessageRequestSchema, { consumerId: 'c', receiptHandle: 'r' });
  expect(requestDecoderOf(AckMessageRequestSchema)(toBinary(AckMessageRequestSchema, ack))).toEqual(ack);
});
