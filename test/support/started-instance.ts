import { onTestFinished } from 'vitest';
import { Instance } from '../../src/proxy/instances/instance.ts';
import { type StatusServer, startStatusServer } from '../../src/proxy/port/status-server.ts';
import type { ProxyOptions } from '../../src/proxy/proxy.ts';
import { clientOf, type ProxyClient, type StartedProxy, startTestProxy } from './started-proxy.ts';

/** A proxy that others of the same seal key can ask about what it handed out. */
export interface StartedInstance extends StartedProxy {
  readonly client: ProxyClient;
  readonly instance: Instance;
  readonly status: StatusServer;
}

/** A proxy with its status port, both on any port; closed when the test ends. */
export async function startTestInstance(changes: Partial<ProxyOptions> = {}): Promise<StartedInstance> {
  const instance = new Instance();
  const started = await startTestProxy({ instance, ...changes });
  const { proxy, port } = started;
  const { metrics, ready } = proxy;
  const answerPeer = (id: string, text: string): Promise<string | undefined> => proxy.answerPeer(id, text);
  const status = await startStatusServer({ host: '127.0.0.1', port: 0, metrics, ready, answerPeer });
  onTestFinished(() => status.close());
  instance.reachableAt(`127.0.0.1:${status.port}`);
  return { ...started, client: clientOf(port), instance, status };
}
