import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import {
  type HealthCheckRequest,
  type HealthCheckResponseSchema,
  type HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { pause } from '../../remoting/deadline.ts';
import type { Call } from './call.ts';
import { failure } from './failures.ts';
import { streamEnding } from './stream-ending.ts';

/** How often a watched status is looked at, in ms. */
export const watchIntervalMs = 1_000;

type Health = MessageInitShape<typeof HealthCheckResponseSchema>;

/** Handlers of grpc.health.v1. */
export interface HealthHandlers {
  check(request: HealthCheckRequest): Promise<Health>;
  list(): Promise<MessageInitShape<typeof HealthListResponseSchema>>;
  watch(request: HealthCheckRequest, call: Call): AsyncIterable<Health>;
}

export interface HealthOptions {
  /** Full names of the services that serve as soon as the proxy is ready. */
  readonly services: readonly string[];
  readonly isReady: () => boolean;
  /** Aborted when the proxy shuts down: nothing serves any more, and watches end. */
  readonly draining: Cancellation;
}

/** The server as a whole, the service '', serves until it shuts down; the services serve while the proxy is ready. */
export function createHealthHandlers({ services, isReady, draining }: HealthOptions): HealthHandlers {
  const statusOf = (service: string): ServingStatus => {
    if (service !== '' && !services.includes(service)) return ServingStatus.SERVICE_UNKNOWN;
    const serves = !draining.aborted && (service === '' || isReady());
    return serves ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };

  return {
    async check({ service }) {
      const status = statusOf(service);
      if (status !== ServingStatus.SERVICE_UNKNOWN) return { status };
      throw failure(
        Code.NotFound,
        'INVALID_REQUEST',
        `this server has none of that name; it has ${services.join(', ')}`,
      );
    },

    async list() {
      return { statuses: Object.fromEntries(['', ...services].map((name) => [name, { status: statusOf(name) }])) };
    },

    async *watch({ service }, call) {
      const { signal, end } = streamEnding([call.end, draining]);
      let told: ServingStatus | undefined;
      try {
        while (!call.end.aborted) {
          const status = statusOf(service);
          if (status !== told) yield { status };
          told = status;
          if (draining.aborted)
            throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: watch another instance');
          // The end of the wait says nothing: what is true then is looked at.
          await pause(watchIntervalMs, signal);
        }
      } finally {
        end();
      }
    },
  };
}
