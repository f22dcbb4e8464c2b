import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { CheckedGroups } from '../../client/send/checked-groups.ts';
import { encodeHalf } from '../../client/send/half-messages.ts';
import type { TransactionCheck } from '../../client/send/transaction-checks.ts';
import type { ReceiveTransactionChecksRequest, TransactionCheckSchema } from '../../gen/rocketmq/rocketmq_pb.ts';
import { isDeliverable, toMessage } from '../receive/incoming.ts';
import { type Call, createTimeoutMs, deadlineOf } from '../rpc/call.ts';
import { failure } from '../rpc/failures.ts';
import { streamEnding } from '../rpc/stream-ending.ts';
import type { SendOptions, SendParts } from './send-options.ts';
import { groupOf } from './transactions.ts';

/** How often a stream that waits asks whether its producer is still good, in ms. */
const producerCheckIntervalMs = 1_000;

type CheckReply = MessageInitShape<typeof TransactionCheckSchema>;

/** The handler of what brokers ask about transactions. */
export interface TransactionCheckHandlers {
  receiveTransactionChecks(request: ReceiveTransactionChecksRequest, call: Call): AsyncIterable<CheckReply>;
}

export function createTransactionCheckHandlers(parts: SendParts, options: SendOptions): TransactionCheckHandlers {
  const { engines, sessions, handles } = parts;
  const { draining, log } = options;
  const groups = new CheckedGroups(log);
  return {
    async *receiveTransactionChecks({ producerId, producerGroup, binaryBodies }, call) {
      const producer = () => sessions.producer(producerId, call.caller);
      const spec = producer();
      const checks = await groups.open(engines.get(spec), groupOf(producerGroup, spec.topic), spec.topic);
      const ending = streamEnding([call.end, draining]);
      const { signal } = ending;
      try {
        await checks.reach(deadlineOf(call, createTimeoutMs));
        while (!signal.aborted) {
          const check = await checks.waiting.take(signal, producerCheckIntervalMs);
          // The producer may have been cleaned up.
          producer();
          if (check === undefined) continue;
          const reply = toReply(check, handles.seal('transaction', spec, encodeHalf(check.half)), binaryBodies);
          if (reply !== undefined) yield reply;
          else log.error({ messageId: check.half.messageId }, 'a half message is too large to be delivered');
        }
      } finally {
        ending.end();
        checks.close();
      }
      if (draining.aborted)
        throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: receive from another instance');
    },
  };
}

/** Undefined for a body that is too large for any reply. */
function toReply(check: TransactionCheck, transactionHandle: string, binaryBodies: boolean): CheckReply | undefined {
  const { half, body, tag, properties } = check;
  const { messageId, transactionId } = half;
  if (!isDeliverable(body, binaryBodies)) return undefined;
  const message = toMessage({ ...half, body, tag, properties, reconsumeTimes: 0 }, '', binaryBodies);
  const { messageBody, binaryBody, properties: shown, bornTimestamp } = message;
  const bodies = { messageBody, binaryBody };
  return { messageId, transactionId, transactionHandle, ...bodies, tag: message.tag, properties: shown, bornTimestamp };
}
