import { afterAll, expect, it, onTestFinished } from 'vitest';
import { ProxyClient } from '../support/grpc-client.ts';
import { InstanceLoad } from '../support/instance-load.ts';
import { CompiledServer } from '../support/server-process.ts';
import { startInstances } from '../support/two-instances.ts';
import { largest, Row } from './figures.ts';

const compiled = new CompiledServer();
afterAll(() => compiled.remove());

it('R-06: two instances behind a balancer are killed in turn', { timeout: 240_000 }, async () => {
  const row = new Row('R-06');
  const { address, ports, restart } = await startInstances(compiled, '15s');
  const load = await InstanceLoad.start(address, 'killed', 50);
  await expect.poll(() => load.callCount, { timeout: 30_000 }).toBeGreaterThan(50);
  const firstSuccessMs: number[] = [];
  for (const index of [0, 1, 0, 1]) {
    load.killed();
    await restart(index, 'SIGKILL');
    const servesMs = performance.now();
    const client = new ProxyClient(`127.0.0.1:${ports[index]}`);
    onTestFinished(() => client.close());
    await client.send('SendMessage', { producer_id: load.producerId, message_body: `by ${firstSuccessMs.length}` });
    firstSuccessMs.push(performance.now() - servesMs);
  }
  const { sentCount, lost, duplicateCount, unexpectedDuplicates } = await load.stop(90_000);
  row
    .tell('messages sent', sentCount)
    .exactly('lost', lost.length, 0)
    .exactly('acknowledged, and came again', unexpectedDuplicates.length, 0)
    .tell('came again, un-acknowledged at a kill', duplicateCount - unexpectedDuplicates.length)
    .tell('calls that failed, of which any may be one under way at a kill', load.failures.length)
    .atMost('first success by an old id when the port is back', largest(firstSuccessMs), 1_000, 'ms')
    .judge();
});
