import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { findPort } from '../../src/proxy/port/listen.ts';
import { startTestBroker } from '../../src/testing/testing.ts';
import type { CompiledServer, ServerProcess } from './server-process.ts';
import { TcpBalancer } from './tcp-balancer.ts';

/** The name server of an engine of its own, which ends with the test. */
export async function startEngine(): Promise<string> {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  return broker.nameServer;
}

/** Two instances of one seal key behind a balancer, each on a port that it keeps. */
export async function startInstances(compiled: CompiledServer, nameServer: string, invisibleDuration = '30s') {
  const key = randomBytes(32).toString('hex');
  const port = (): Promise<number> => findPort({ host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' });
  const ports = [await port(), await port()];
  const start = async (index: number): Promise<ServerProcess> => {
    const server = compiled.start({
      GRPC_PORT: String(ports[index]),
      ROCKETMQ_ENDPOINT: nameServer,
      PROXY_SEAL_KEY: key,
      PROXY_INVISIBLE_DURATION: invisibleDuration,
    });
    await server.serves();
    return server;
  };
  const instances = [await start(0), await start(1)];
  const balancer = await TcpBalancer.start(ports.map((each) => `127.0.0.1:${each}`));
  onTestFinished(() => balancer.close());
  /** Ends one and starts it anew. */
  const restart = async (index: number, signal: NodeJS.Signals) => {
    const ending = instances[index];
    ending?.kill(signal);
    const exit = await ending?.exited;
    instances[index] = await start(index);
    return exit;
  };
  return { address: balancer.address, ports, restart };
}
