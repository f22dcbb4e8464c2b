import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import {
  openAnswer,
  openQuestion,
  type PeerOutcome,
  type PeerQuestion,
  type Settlement,
  sealAnswer,
  sealQuestion,
  settlementsMax,
} from '../../../src/proxy/instances/peer-messages.ts';
import { failure } from '../../../src/proxy/rpc/failures.ts';
import { SealError, Sealer } from '../../../src/proxy/session/seal.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { testSealKey } from '../../support/started-proxy.ts';

const sealer = new Sealer([testSealKey]);
const receipt: PopReceipt = {
  startOffset: 2n ** 63n - 1n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 30_000,
  reviveQueueId: 3,
  retry: '2',
  brokerName: 'a'.repeat(255),
  queueId: 2,
  queueOffset: 2n ** 63n - 1n,
};

function question(settlements: readonly Settlement[]): PeerQuestion {
  return { nonce: 'n', callerName: 'c', consumerId: 'x'.repeat(500), timeoutMs: 1_000, settlements };
}

describe('a question to another instance', () => {
  it('holds as many settlements as it may, each as it is', () => {
    const kinds = ['ack', 'nack', 'change'] as const;
    const settlements = kinds.flatMap((kind) => Array(5).fill({ kind, receipt, durationMs: 7 }));
    const asked = question([...settlements, { kind: 'ack', receipt, durationMs: 0 }]);
    expect(asked.settlements).toHaveLength(settlementsMax);
    expect(openQuestion(sealer, sealQuestion(sealer, asked))).toEqual(asked);
  });

  it('is believed only where our key has sealed it as one', () => {
    const other = new Sealer([Buffer.alloc(32, 'other')]);
    expect(() => openQuestion(sealer, sealQuestion(other, question([])))).toThrow(SealError);
    expect(() => openQuestion(sealer, sealAnswer(sealer, 'n', []))).toThrow('does not understand');
    for (const content of ['{}', '[]', '["ask","n","c","x",1,[["steal","",0]]]']) {
      expect(() => openQuestion(sealer, sealer.seal('peer', Buffer.from(content)))).toThrow('does not understand');
    }
  });
});

describe('its answer', () => {
  const asked = question(Array(settlementsMax).fill({ kind: 'ack', receipt, durationMs: 0 }));

  it('says of each what became of it, also where all failed', () => {
    const failed = failure(Code.FailedPrecondition, 'RECEIPT_EXPIRED', 'x'.repeat(600));
    const outcomes: PeerOutcome[] = Array(settlementsMax).fill({ failure: failed });
    outcomes.splice(0, 2, { receipt }, { receipt: undefined });
    const [first, second, ...others] = openAnswer(sealer, sealAnswer(sealer, 'n', outcomes), asked);
    expect([first, second]).toEqual([{ receipt }, { receipt: undefined }]);
    expect(others).toHaveLength(settlementsMax - 2);
    for (const outcome of others) {
      if (!('failure' in outcome)) throw new Error('it did not fail');
      expect(outcome.failure.code).toBe(Code.FailedPrecondition);
      expect(outcome.failure.rawMessage).toBe(failed.rawMessage);
      expect(outcome.failure.findDetails(ErrorInfoSchema)[0]?.reason).toBe('RECEIPT_EXPIRED');
    }
  });

  it('is not taken for the answer to another question', () => {
    const outcomes = asked.settlements.map((): PeerOutcome => ({ receipt: undefined }));
    expect(() => openAnswer(sealer, sealAnswer(sealer, 'm', outcomes), asked)).toThrow('does not understand');
    expect(() => openAnswer(sealer, sealAnswer(sealer, 'n', outcomes.slice(1)), asked)).toThrow('does not understand');
    expect(() => openAnswer(sealer, sealQuestion(sealer, asked), asked)).toThrow('does not understand');
    const strange = sealer.seal('peer', Buffer.from('["answer","n",[[99,"",""]]]'));
    expect(() => openAnswer(sealer, strange, question(asked.settlements.slice(1, 2)))).toThrow('does not understand');
  });
});
