import { createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import { RocketMQProxy } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { ProxyCalls, type ProxyCallsOptions } from '../../src/web/proxy-calls.ts';

/** Calls of a proxy that does what a test says, for faults at a given moment; no network between. */
export function scriptedCalls(
  rpcs: Partial<ServiceImpl<typeof RocketMQProxy>>,
  options: Partial<ProxyCallsOptions> = {},
): ProxyCalls {
  const transport = createRouterTransport(({ service }) => void service(RocketMQProxy, rpcs));
  return new ProxyCalls({ transport, baseUrl: 'https://mq.example', token: undefined, timeoutMs: 30_000, ...options });
}
