import type { CleanupResult, ConsumerPort, Gateway, HealthStatus, ProducerPort } from '../gateway.ts';
import type { CheckedConfig } from '../mq-config.ts';
import { MQError } from '../mq-error.ts';

/** The way without a proxy. */
export class DirectGateway implements Gateway {
  constructor(_config: CheckedConfig) {
    throw new MQError('UNIMPLEMENTED', 'NOT_SUPPORTED', 'direct mode is being written');
  }
  createProducer(): Promise<ProducerPort> {
    throw new Error();
  }
  createConsumer(): Promise<ConsumerPort> {
    throw new Error();
  }
  cleanupProducer(): Promise<CleanupResult> {
    throw new Error();
  }
  cleanupConsumer(): Promise<CleanupResult> {
    throw new Error();
  }
  healthCheck(): Promise<HealthStatus> {
    throw new Error();
  }
  async close() {}
}
