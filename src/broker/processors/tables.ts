import type { ProcessorTable } from '../engine.ts';
import { ackProcessors } from './ack.ts';
import { assignmentProcessors } from './assignment.ts';
import { brokerConfigProcessors } from './broker-config.ts';
import { brokerStatsProcessors } from './broker-stats.ts';
import { checkClientConfigProcessors } from './check-client-config.ts';
import { clientForwardingProcessors } from './client-forwarding.ts';
import { consumerListProcessors } from './consumer-list.ts';
import { consumptionProcessors } from './consumption.ts';
import { endTransactionProcessors } from './end-transaction.ts';
import { groupProcessors } from './groups.ts';
import { heartbeatProcessors } from './heartbeat.ts';
import { nameServerProcessors } from './name-server.ts';
import { notificationProcessors } from './notification.ts';
import { offsetProcessors } from './offsets.ts';
import { popProcessors } from './pop.ts';
import { pullProcessors } from './pull.ts';
import { queryProcessors } from './queries.ts';
import { queueLockProcessors } from './queue-locks.ts';
import { recallProcessors } from './recall.ts';
import { replyProcessors } from './reply.ts';
import { resetOffsetProcessors } from './reset-offset.ts';
import { runtimeInfoProcessors } from './runtime-info.ts';
import { sendProcessors } from './send.ts';
import { sendBackProcessors } from './send-back.ts';
import { topicProcessors } from './topics.ts';

/** Everything that the engine answers. */
export const processorTables: readonly ProcessorTable[] = [
  ackProcessors,
  assignmentProcessors,
  brokerConfigProcessors,
  brokerStatsProcessors,
  checkClientConfigProcessors,
  clientForwardingProcessors,
  consumerListProcessors,
  consumptionProcessors,
  endTransactionProcessors,
  groupProcessors,
  heartbeatProcessors,
  nameServerProcessors,
  notificationProcessors,
  offsetProcessors,
  popProcessors,
  pullProcessors,
  queryProcessors,
  queueLockProcessors,
  recallProcessors,
  replyProcessors,
  resetOffsetProcessors,
  runtimeInfoProcessors,
  sendBackProcessors,
  sendProcessors,
  topicProcessors,
];
