import { afterAll, describe, expect, it } from 'vitest';
import { InstanceLoad } from '../support/instance-load.ts';
import { CompiledServer } from '../support/server-process.ts';
import { startEngine, startInstances } from '../support/two-instances.ts';

const compiled = new CompiledServer();
afterAll(() => compiled.remove());

describe('two instances behind a balancer', { timeout: 120_000 }, () => {
  it('R-07: are restarted in turn under load without a failed call', async () => {
    const { address, restart } = await startInstances(compiled, await startEngine());
    const load = await InstanceLoad.start(address, 'rolling', 50);
    await expect.poll(() => load.callCount, { timeout: 30_000 }).toBeGreaterThan(50);
    const exits: unknown[] = [];
    for (const index of [0, 1]) exits.push(await restart(index, 'SIGTERM'));
    const verdict = await load.stop(60_000);
    expect(exits).toEqual(Array(2).fill({ code: 0, signal: null }));
    expect(verdict.sentCount).toBeGreaterThan(50);
    expect(verdict).toMatchObject({ lost: [], unexpectedFailures: [], unexpectedDuplicates: [] });
  });
});
