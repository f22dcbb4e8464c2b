import { ConnectError } from '@connectrpc/connect';
import { onTestFinished } from 'vitest';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { anyone } from '../../src/proxy/access/caller.ts';
import { Engines } from '../../src/proxy/engines.ts';
import { Receipts } from '../../src/proxy/receive/receipts.ts';
import type { Call } from '../../src/proxy/rpc/call.ts';
import { toFailure } from '../../src/proxy/rpc/failures.ts';
import { ProducerHandles } from '../../src/proxy/send/producer-handles.ts';
import type { SendOptions } from '../../src/proxy/send/send-options.ts';
import { Sessions } from '../../src/proxy/session/sessions.ts';
import { Targets } from '../../src/proxy/session/targets.ts';
import { MemoryLog, type ScriptedCluster } from './scripted-cluster.ts';
import { proxyOptions } from './started-proxy.ts';

/** What handlers are made of. */
export interface ProxyParts {
  readonly targets: Targets;
  readonly engines: Engines;
  readonly sessions: Sessions;
  readonly receipts: Receipts;
  readonly handles: ProducerHandles;
}

/** The parts of a proxy that talks to this cluster, which is its default one; closed when the test ends. */
export function proxyParts(cluster: ScriptedCluster): ProxyParts {
  const options = proxyOptions({
    defaults: { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', instanceId: '' },
  });
  const engines = new Engines({ vendor: 'auto', checkEndpoint: () => {}, brokerAllowed: () => true, log: cluster.log });
  const sessions = new Sessions({ ...options, engines });
  onTestFinished(async () => {
    sessions.close();
    await engines.close();
  });
  const { sealer } = options;
  const receipts = new Receipts(sealer);
  return { targets: new Targets(options), engines, sessions, receipts, handles: new ProducerHandles(sealer) };
}

/** How handlers of sending work where a test says nothing else. */
export function sendOptions(changes: Partial<SendOptions> = {}): SendOptions {
  return {
    writeTimeoutMs: 30_000,
    draining: new AbortController().signal,
    log: new MemoryLog(),
    onSent: () => {},
    onFailures: () => {},
    ...changes,
  };
}

/** A call of somebody who stays and waits for ever. */
export function patientCall(signal = new AbortController().signal): Call {
  return { end: signal, timeoutMs: undefined, caller: anyone };
}

/** Why a handler failed, as its caller is told: the reason, and the text. */
export async function refusalOf(work: Promise<unknown>): Promise<readonly [string | undefined, string]> {
  try {
    return ['taken', JSON.stringify(await work)];
  } catch (error) {
    const failure = toFailure(error);
    return [failure.findDetails(ErrorInfoSchema)[0]?.reason, ConnectError.from(failure).rawMessage];
  }
}
