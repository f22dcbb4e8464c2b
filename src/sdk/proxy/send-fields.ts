import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OutgoingMessageSchema } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Draft } from '../message.ts';

/** What all published send calls have. */
export function fieldsOf({ body, tag, properties, ...draft }: Draft) {
  return {
    ...(typeof body === 'string' ? { messageBody: body } : { binaryBody: body }),
    tag,
    properties: {
      properties,
      messageKey: draft.messageKey,
      shardingKey: draft.shardingKey,
      startDeliverTime: draft.deliverTimestampMs,
      transCheckImmunityTime: draft.checkImmunitySeconds,
    },
  };
}

/** Of one message among several. */
export function outgoingOf(draft: Draft): MessageInitShape<typeof OutgoingMessageSchema> {
  return { ...fieldsOf(draft), delayTimeLevel: draft.delayLevel };
}

/** Of the message of a transaction. */
export function transactionFieldsOf(draft: Draft) {
  return { ...fieldsOf(draft), transCheckImmunityTime: draft.checkImmunitySeconds };
}
