import { readOptions } from '../../src/options.ts';
import { brokerTlsOptions } from '../../src/proxy/access/broker-tls.ts';
import { EndpointPolicy } from '../../src/proxy/access/endpoint-policy.ts';
import { startStatusServer } from '../../src/proxy/port/status-server.ts';
import { startProxy } from '../../src/proxy/proxy.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { loadSealKeys } from '../../src/proxy/session/seal-keys.ts';
import type { TestedProxy } from './proxy-process.ts';
import { MemoryLog } from './scripted-cluster.ts';

/** The proxy in this process, with the settings that a process would have, on free ports: starts in no time. */
export async function startProxyHere(environment: Readonly<Record<string, string>>): Promise<TestedProxy> {
  const ports = { GRPC_PORT: '0', METRICS_PORT: '0', PROXY_DATA_DIR: 'memory' };
  const options = readOptions([], { ...ports, ...environment });
  const { invisibleDurationMs, renewalDurationMs, consumeMode } = options;
  const proxy = await startProxy({
    ...options,
    listener: { ...options, port: options.grpcPort },
    tls: options,
    clientLimits: options,
    sealer: new Sealer(loadSealKeys(options).keys),
    policy: EndpointPolicy.create({ ...options, defaultEndpoint: options.endpoint }),
    defaults: { ...options, endpoint: options.endpoint ?? '' },
    delivery: { invisibleDurationMs, renewalDurationMs, pollDurationMs: options.pullTimeoutMs },
    messagesMax: options.messageBufferSize,
    producerIdleMs: options.producerCleanupTimeoutMs,
    consumerIdleMs: options.consumerCleanupTimeoutMs,
    log: new MemoryLog(),
    client: { consumeMode, tls: brokerTlsOptions(options) },
  });
  const { metrics, ready } = proxy;
  const statusServer = await startStatusServer({ host: options.host, port: 0, metrics, ready });
  const statusUrl = `http://${options.host}:${statusServer.port}`;
  return {
    address: `${options.host}:${proxy.port}`,
    statusUrl,
    metrics: async () => JSON.parse(await (await fetch(`${statusUrl}/metrics`)).text()),
    stop: async () => {
      await Promise.all([proxy.close(0), statusServer.close()]);
    },
  };
}
