import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CleanupProducerRequest,
  CleanupProducerResponseSchema,
  CreateProducerRequest,
  CreateProducerResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Caller } from '../access/caller.ts';
import type { Engines } from '../engines.ts';
import { type Call, createTimeoutMs, deadlineOf } from '../rpc/call.ts';
import { topicName } from '../session/names.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Targets } from '../session/targets.ts';

/** Handlers of producer ids. */
export interface ProducerHandlers {
  createProducer(
    request: CreateProducerRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof CreateProducerResponseSchema>>;
  cleanupProducer(
    request: CleanupProducerRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof CleanupProducerResponseSchema>>;
}

export function createProducerHandlers(targets: Targets, engines: Engines, sessions: Sessions): ProducerHandlers {
  return {
    async createProducer(request, call) {
      const target = targets.resolve(request, call.caller);
      const topic = topicName(request.topic, target.namespace);
      call.caller.checkPublish(topic);
      await targets.reach(target, () => engines.get(target).checkTopic(topic, deadlineOf(call, createTimeoutMs)));
      const { endpoint, accessKeyId, accessKeySecret, owner } = target;
      const producerId = sessions.createProducer({ endpoint, accessKeyId, accessKeySecret, owner, topic });
      return { success: true, message: `producer for topic ${request.topic} is ready`, producerId };
    },

    async cleanupProducer({ producerId, topic, endpoint }, { caller }) {
      const cleanedCount = cleanUp(targets, sessions, { producerId, topic, endpoint, caller });
      if (cleanedCount === undefined) {
        return { success: true, message: 'nothing was cleaned up: name a producer_id or a topic', cleanedCount: 0 };
      }
      return { success: true, message: `${cleanedCount} producers were cleaned up`, cleanedCount };
    },
  };
}

interface Named {
  readonly producerId: string;
  readonly topic: string;
  readonly endpoint: string;
  readonly caller: Caller;
}

function cleanUp(targets: Targets, sessions: Sessions, named: Named): number | undefined {
  const { producerId, topic, endpoint, caller } = named;
  if (producerId !== '') return sessions.cleanUpProducer(producerId, caller);
  if (topic === '') return undefined;
  return sessions.cleanUpProducers(topic, endpoint === '' ? undefined : targets.endpointText(endpoint), caller);
}
