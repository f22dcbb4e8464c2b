import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { onTestFinished } from 'vitest';
import { RocketMQProxy } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { EndpointPolicy } from '../../src/proxy/access/endpoint-policy.ts';
import { listenerLimits } from '../../src/proxy/port/listener-limits.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from '../../src/proxy/proxy.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { MemoryLog, type ScriptedCluster, ScriptedPop, startScriptedCluster } from './scripted-cluster.ts';

/** The seal key of every proxy in tests. */
export const testSealKey = Buffer.from('0123456789abcdefghijklmnopqrstuv');

/** What the options of a proxy are where a test says nothing else; no default endpoint. */
export function proxyOptions(changes: Partial<ProxyOptions> = {}): ProxyOptions {
  return {
    listener: {
      host: '127.0.0.1',
      port: 0,
      maxConcurrent: 2_000,
      maxConnections: 1_000,
      readTimeoutMs: 30_000,
      keepaliveIntervalMs: 10_000,
      keepaliveTimeoutMs: 20_000,
      // Tests cancel many young streams on purpose.
      limits: { ...listenerLimits, youngResetsMax: 5_000 },
    },
    sealer: new Sealer([testSealKey]),
    policy: EndpointPolicy.create({
      host: '127.0.0.1',
      allowedEndpoints: undefined,
      allowedBrokers: undefined,
      defaultEndpoint: undefined,
    }),
    instanceNamespace: 'auto',
    vendor: 'auto',
    defaults: { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' },
    delivery: { invisibleDurationMs: 30_000, renewalDurationMs: 0, pollDurationMs: 5_000 },
    messagesMax: 1_000,
    writeTimeoutMs: 30_000,
    producerIdleMs: 30_000,
    consumerIdleMs: 30_000,
    http2Engine: process.env['TEST_HTTP2_ENGINE'] === 'node' ? 'node' : 'own',
    log: new MemoryLog(),
    ...changes,
  };
}

export interface StartedProxy {
  readonly proxy: RunningProxy;
  readonly port: number;
  readonly log: MemoryLog;
}

/** A proxy on any port; closed when the test ends. */
export async function startTestProxy(changes: Partial<ProxyOptions> = {}): Promise<StartedProxy> {
  const log = new MemoryLog();
  const proxy = await startProxy(proxyOptions({ log, ...changes }));
  onTestFinished(() => proxy.close(0));
  return { proxy, port: proxy.port, log };
}

/** A cluster with topic `topic`, of which the only broker hands out what a test gives it; stopped when the test ends. */
export async function startTestCluster(): Promise<{ readonly cluster: ScriptedCluster; readonly pop: ScriptedPop }> {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  return { cluster, pop: new ScriptedPop(cluster.broker) };
}

export type ProxyClient = Client<typeof RocketMQProxy>;

/** Every way in which a client may call. */
export const ways = {
  gRPC: (port) => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }),
  'gRPC-web, HTTP/1.1': (port) => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' }),
  'gRPC-web, HTTP/2': (port) => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' }),
  'Connect, HTTP/1.1': (port) => createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' }),
  'Connect, HTTP/2': (port) => createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' }),
  'Connect with JSON': (port) =>
    createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1', useBinaryFormat: false }),
} as const satisfies Record<string, (port: number) => Transport>;

export type Way = keyof typeof ways;

export function clientOf(port: number, way: Way = 'gRPC'): ProxyClient {
  return createClient(RocketMQProxy, ways[way](port));
}
