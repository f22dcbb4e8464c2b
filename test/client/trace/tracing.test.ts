import { expect, test } from 'vitest';
import type { ClientObserver } from '../../../src/client/observer.ts';
import { startTracing } from '../../../src/client/trace/tracing.ts';
import { outgoing } from '../../support/real-client.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

test('without the option there are no traces; with it other observers see the same, but for the traces', () => {
  const seen: string[] = [];
  const observer: ClientObserver = {
    sending({ topic }) {
      seen.push(topic);
      return undefined;
    },
  };
  const parts = {
    observer,
    producerGroup: 'g',
    log: new MemoryLog(),
    createMessageId: () => 'ID',
    send: async () => {},
  };
  expect(startTracing({ ...parts, trace: undefined })).toBeUndefined();
  const tracing = startTracing({ ...parts, trace: { topic: 'traces' } });
  expect(tracing?.observer.sending?.(outgoing('traces', 'x'), 'normal')).toBeUndefined();
  expect(tracing?.observer.sending?.(outgoing('topic', 'x'), 'normal')).toBeDefined();
  expect(seen).toEqual(['topic']);
  const byDefault = startTracing({ ...parts, trace: {} });
  expect(byDefault?.observer.sending?.(outgoing('RMQ_SYS_TRACE_TOPIC', 'x'), 'normal')).toBeUndefined();
  expect(seen).toEqual(['topic']);
});
