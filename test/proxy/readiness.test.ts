import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ReadinessProbe } from '../../src/proxy/readiness.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { type ProxyParts, proxyParts } from '../support/proxy-parts.ts';
import type { ScriptedCluster } from '../support/scripted-cluster.ts';
import { startTestCluster } from '../support/started-proxy.ts';

const { GET_ROUTEINFO_BY_TOPIC } = RequestCode;

describe('ReadinessProbe', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
  });

  function start(target = parts.targets.default): ReadinessProbe {
    const probe = new ReadinessProbe(parts.engines, target);
    onTestFinished(() => probe.stop());
    return probe;
  }

  /** Looks at the state after each turn of the event loop, until it is as wanted. */
  const becomes = (probe: ReadinessProbe, ready: boolean) =>
    vi.waitFor(() => expect(probe.state.ready).toBe(ready), { timeout: 10_000, interval: 1 });

  const unreachable = { ready: false, reason: 'no name server answers at the default endpoint' };

  it('is ready at once where there is no default endpoint', () => {
    const probe = new ReadinessProbe(parts.engines, undefined);
    expect(probe.state).toEqual({ ready: true });
    probe.stop();
    expect(parts.engines.count).toBe(0);
  });

  it('is ready once a name server has answered, be it that it knows no topic', async () => {
    const probe = start();
    expect(probe.state).toEqual({ ready: false, reason: 'the default endpoint was not asked yet' });
    await becomes(probe, true);
    expect(cluster.nameServer.requests(GET_ROUTEINFO_BY_TOPIC)[0]?.extFields['topic']).toBe('TBW102');
  });

  it('looks again: not ready while no name server answers, ready when one does', async () => {
    const probe = start();
    await becomes(probe, true);
    await cluster.nameServer.stop();
    vi.advanceTimersByTime(5_000);
    await becomes(probe, false);
    expect(probe.state).toEqual(unreachable);
    await cluster.nameServer.listen();
    await vi.waitFor(
      () => {
        vi.advanceTimersByTime(5_000);
        expect(probe.state).toEqual({ ready: true });
      },
      { timeout: 10_000, interval: 20 },
    );
  });

  it('asks once at a time, however slow the answer', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => undefined);
    start();
    await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC);
    vi.advanceTimersByTime(60_000);
    const { engines, targets } = parts;
    if (targets.default === undefined) throw new Error('there is a default endpoint');
    // On the same connection, so all that was asked before comes before it.
    const later = engines.get(targets.default).checkTopic('topic', Deadline.after(10_000));
    expect((await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC, 1)).extFields['topic']).toBe('topic');
    await engines.close();
    await expect(later).rejects.toThrow();
  });

  it('is not ready from when it is stopped, whatever is answered then', async () => {
    const probe = start();
    probe.stop();
    const stopped = { ready: false, reason: 'the proxy is shutting down' };
    expect(probe.state).toEqual(stopped);
    await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC);
    await parts.engines.close();
    expect(probe.state).toEqual(stopped);
    vi.advanceTimersByTime(60_000);
    expect(probe.state).toEqual(stopped);
  });

  it('is not ready when the proxy is closing and no engine can be had', async () => {
    await parts.engines.close();
    const probe = start();
    await vi.waitFor(() => expect(probe.state).toEqual(unreachable), { interval: 1, timeout: 20_000 });
  });
});
