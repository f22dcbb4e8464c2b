import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { startRocketMQ } from '../rocketmq/cluster.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { InstanceLoad, type LoadVerdict } from '../support/instance-load.ts';
import { CompiledServer } from '../support/server-process.ts';
import { startEngine, startInstances } from '../support/two-instances.ts';
import { largest, Row } from './figures.ts';

const perSecond = 50;
const killIntervalMs = 10_000;
const killCount = 12;
const restartsMs = 60_000;
/** Longer than what a killed instance held stays invisible. */
const settleMs = 60_000;

async function startApache(): Promise<string> {
  const cluster = await startRocketMQ();
  onTestFinished(() => cluster.stop());
  return cluster.nameServer;
}

const compiled = new CompiledServer();
afterAll(() => compiled.remove());

function judge(row: Row, { sentCount, lost, duplicateCount, ...verdict }: LoadVerdict): void {
  row
    .tell('messages sent', sentCount)
    .exactly('lost', lost.length, 0)
    .exactly('acknowledged, and came again', verdict.unexpectedDuplicates.length, 0)
    .tell('came again, un-acknowledged at a kill', duplicateCount - verdict.unexpectedDuplicates.length)
    .tell('calls that failed', verdict.failureCount)
    .exactly('calls that failed, no instance killed', verdict.unexpectedFailures.length, 0);
  expect(verdict).toMatchObject({ unexpectedDuplicates: [], unexpectedFailures: [] });
  row.judge();
}

describe.each([
  ['the engine', startEngine],
  ['RocketMQ 5.5.0', startApache],
])('two instances behind a balancer, on %s', { timeout: 400_000 }, (_name, startBroker) => {
  it('R-06: killed in turn, every 10 s for 2 minutes', async () => {
    const { address, ports, restart } = await startInstances(compiled, await startBroker(), '15s');
    const clientOf = (to: string): ProxyClient => {
      const client = new ProxyClient(to);
      onTestFinished(() => client.close());
      return client;
    };
    const load = await InstanceLoad.start(address, 'killed', perSecond);
    await expect.poll(() => load.callCount, { timeout: 30_000 }).toBeGreaterThan(perSecond);
    const outside = clientOf(address);
    const producerId = await outside.createProducer('held');
    const consumerId = await outside.createConsumer('held', 'held-group');
    const firstSuccessMs: number[] = [];
    const handleFailures: string[] = [];
    for (let kill = 0; kill < killCount; kill += 1) {
      const startMs = performance.now();
      const index = kill % 2;
      const survivor = clientOf(`127.0.0.1:${ports[1 - index]}`);
      await survivor.send('SendMessage', { producer_id: producerId, message_body: `${kill}` });
      const stream = clientOf(`127.0.0.1:${ports[index]}`).receive(consumerId);
      const { receipt_handle } = await stream.find(({ message_body }) => message_body === `${kill}`);
      load.killed();
      const restarted = restart(index, 'SIGKILL');
      await stream.ended();
      await survivor.ack(consumerId, { receipt_handle }).catch((error) => handleFailures.push(String(error)));
      await restarted;
      const servesMs = performance.now();
      const client = clientOf(`127.0.0.1:${ports[index]}`);
      await client.send('SendMessage', { producer_id: load.producerId, message_body: `by ${kill}` });
      firstSuccessMs.push(performance.now() - servesMs);
      await sleep(Math.max(0, startMs + killIntervalMs - performance.now()));
    }
    const row = new Row('R-06')
      .tell('kills', killCount)
      .exactly('handles of a killed instance that the other refused', handleFailures.length, 0)
      .atMost('first success by an old id when the port is back', largest(firstSuccessMs), 1_000, 'ms');
    judge(row, await load.stop(settleMs));
  });

  it('R-07: restarted in turn for a minute', async () => {
    const { address, restart } = await startInstances(compiled, await startBroker());
    const load = await InstanceLoad.start(address, 'rolling', perSecond);
    await expect.poll(() => load.callCount, { timeout: 30_000 }).toBeGreaterThan(perSecond);
    const endMs = performance.now() + restartsMs;
    let restartCount = 0;
    for (; performance.now() < endMs; restartCount += 1) {
      expect(await restart(restartCount % 2, 'SIGTERM')).toEqual({ code: 0, signal: null });
    }
    judge(new Row('R-07').tell('restarts', restartCount), await load.stop(settleMs));
  });
});
