import { describe, expect, it } from 'vitest';
import { ProducerHandles } from '../../../src/proxy/send/producer-handles.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import type { ProducerSpec } from '../../../src/proxy/session/session-specs.ts';
import { testSealKey } from '../../support/started-proxy.ts';

const spec: ProducerSpec = {
  endpoint: 'host:9876',
  accessKeyId: 'key',
  accessKeySecret: 'secret',
  topic: 'topic',
  owner: 'token',
  createdAtMs: 1,
};

function refusal(open: () => unknown): string {
  try {
    return `opened: ${open()}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('ProducerHandles', () => {
  const handles = new ProducerHandles(new Sealer([testSealKey]));
  const handle = handles.seal('transaction', spec, 'what broker-a at 10.0.0.1 has');

  it('opens what any instance with the key has sealed, for any producer of the same endpoint, topic and caller', () => {
    const elsewhere = new ProducerHandles(new Sealer([testSealKey]));
    const twin = { ...spec, createdAtMs: 2, accessKeySecret: 'a new one' };
    expect(elsewhere.open('transaction', twin, handle)).toBe('what broker-a at 10.0.0.1 has');
  });

  it('refuses every other one by the same text', () => {
    const others: readonly Partial<ProducerSpec>[] = [
      { endpoint: 'other:9876' },
      { accessKeyId: 'other' },
      { topic: 'other' },
      { owner: '' },
    ];
    const texts = [
      ...others.map((change) => refusal(() => handles.open('transaction', { ...spec, ...change }, handle))),
      ...['forged', `${handle}A`, handle.slice(1), 'x'.repeat(20_000)].map((text) =>
        refusal(() => handles.open('transaction', spec, text)),
      ),
      refusal(() => handles.open('transaction', spec, handles.seal('recall', spec, 'x'))),
    ];
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain('transaction_handle was not issued by this service');
    expect(refusal(() => handles.open('recall', spec, ''))).toContain('recall_handle is empty');
  });
});
