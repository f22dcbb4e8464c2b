/** Apache's own proxy as a process, in front of a broker that runs already. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/rocketmq/ports.ts';
import type { BrokerProcess } from './brokers.ts';
import { startProgram } from './programs.ts';

const startMsMax = 60_000;
const heapMegabytes = 1_024;

const logback = (file: string): string => `<configuration>
  <appender name="FILE" class="org.apache.rocketmq.logging.ch.qos.logback.core.FileAppender">
    <file>${file}</file>
    <encoder><pattern>%d %p %c{0} - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="FILE"/></root>
</configuration>
`;

/** With its defaults, in cluster mode, as a proxy apart from brokers runs. */
export async function startApacheProxy({ nameServer }: BrokerProcess, classPath: string) {
  const home = await mkdtemp(join(tmpdir(), 'apache-proxy-'));
  const [grpcServerPort, remotingListenPort] = [await freePort(), await freePort()];
  const config = join(home, 'proxy.json');
  await writeFile(
    config,
    JSON.stringify({ rocketMQClusterName: 'DefaultCluster', grpcServerPort, remotingListenPort }),
  );
  await writeFile(join(home, 'logback.xml'), logback(join(home, 'proxy.log')));
  // Its gRPC tells of each stream that a client left.
  await writeFile(join(home, 'logging.properties'), 'handlers=\n');
  const program = startProgram(
    [
      'java',
      ...[`-Xms${heapMegabytes}m`, `-Xmx${heapMegabytes}m`, `-Duser.home=${home}`, '-cp', classPath],
      `-Drmq.logback.configurationFile=${join(home, 'logback.xml')}`,
      `-Djava.util.logging.config.file=${join(home, 'logging.properties')}`,
      ...['org.apache.rocketmq.proxy.ProxyStartup', '-n', nameServer, '-pm', 'cluster', '-pc', config],
    ],
    { env: { ...process.env, RMQ_PROXY_HOME: home }, cwd: home },
  );
  const stop = async (): Promise<void> => {
    // A clean end takes longer than its grace time for calls: there are none.
    await program.end('SIGKILL');
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await untilOpen(grpcServerPort);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `127.0.0.1:${grpcServerPort}`, pid: program.pid, stop };
}

async function untilOpen(port: number): Promise<void> {
  const untilMs = performance.now() + startMsMax;
  while (!(await isOpen(port))) {
    if (performance.now() > untilMs) throw new Error(`Apache's proxy did not listen within ${startMsMax} ms`);
    await sleep(100);
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
