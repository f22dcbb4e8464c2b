import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Instance } from '../../../src/proxy/instances/instance.ts';
import { handlesMin, Receipts } from '../../../src/proxy/receive/receipts.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import { encodePopReceipt, type PopReceipt } from '../../../src/remoting/pop-receipt.ts';

const key = Buffer.from('0123456789abcdefghijklmnopqrstuv');
const sealer = new Sealer([key]);
const receipts = new Receipts(sealer);
const owner = 'owner-12char';
const other = 'other-12char';

const receipt: PopReceipt = {
  startOffset: 1n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 30_000,
  reviveQueueId: 3,
  retry: '0',
  brokerName: 'broker-a',
  queueId: 2,
  queueOffset: 5n,
};

/** The text of the refusal; fails for anything but INVALID_ARGUMENT. */
function refusal(handle: string, by = owner): string {
  try {
    receipts.open(by, handle);
    return 'taken';
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.InvalidArgument) return error.rawMessage;
    throw error;
  }
}

const notOurs = 'receipt_handle was not issued by this service, or was altered: use it exactly as it was returned';

describe('receipt handles', () => {
  it('open to what was sealed, whatever it is, on every instance with the key', () => {
    const int64 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    const int32 = fc.nat(2 ** 31 - 1);
    const any: fc.Arbitrary<PopReceipt> = fc.record({
      startOffset: int64,
      popTimeMs: fc.maxSafeNat(),
      invisibleDurationMs: fc.maxSafeInteger().map((each) => each || 0),
      reviveQueueId: int32,
      retry: fc.constantFrom('0', '1', '2'),
      brokerName: fc.string({ unit: 'binary', minLength: 1 }).filter((name) => !name.includes(' ')),
      queueId: int32,
      queueOffset: int64,
    });
    const elsewhere = new Receipts(new Sealer([Buffer.from('another key of thirty-two bytes!'), key]));
    fc.assert(
      fc.property(any, (each) => {
        expect(elsewhere.open(owner, receipts.seal(owner, each)).receipt).toEqual(each);
      }),
      { numRuns: 50 },
    );
  });

  it('open to what was sealed by pull, too', () => {
    const elsewhere = new Receipts(new Sealer([key]));
    const pull = { clientMark: '0123456789abcdef', deliveryNumber: 4_711 };
    const place = { brokerName: 'broker-a', queueTopic: 't', queueId: 0, queueOffset: 1n };
    const handle = receipts.seal(owner, { ...pull, ...place });
    expect(receipts.open(owner, handle)).toEqual({ receipt: pull, peer: undefined });
    expect(elsewhere.open(owner, handle)).toEqual({ receipt: pull, peer: undefined });
    expect(() => elsewhere.open(other, handle)).toThrow('another consumer group or topic');
    expect(handle.length).toBeLessThan(200);
  });

  it('say who handed them out by pull, unless it was this process', () => {
    const [mine, theirs] = [new Instance(), new Instance()];
    const [here, there] = [new Receipts(new Sealer([key]), mine), new Receipts(new Sealer([key]), theirs)];
    const pull = { clientMark: 'a', deliveryNumber: 1 };
    const early = here.seal(owner, pull);
    mine.reachableAt('10.0.0.1:8080');
    const handle = here.seal(owner, pull);
    const peer = { id: mine.id, address: '10.0.0.1:8080' };
    expect([early, handle].map((each) => here.open(owner, each).peer)).toEqual([undefined, undefined]);
    expect([early, handle].map((each) => there.open(owner, each).peer)).toEqual([undefined, peer]);
    // One that another process handed out, and whose time this one has changed.
    const changed = there.seal(owner, pull, peer);
    expect(there.open(owner, changed)).toEqual({ receipt: pull, peer });
    expect(here.open(owner, changed)).toEqual({ receipt: pull, peer: undefined });
  });

  it('show nothing of it', () => {
    const text = Buffer.from(receipts.seal(owner, receipt), 'base64url').toString('latin1');
    expect(text).not.toContain('broker-a');
    expect(text).not.toContain('1700000000000');
  });

  it('are short enough for every header and log', () => {
    expect(receipts.seal(owner, receipt).length).toBeLessThan(200);
  });

  it('are refused when they are empty', () => {
    expect(refusal('')).toBe('receipt_handle is empty: pass the one that came with the message');
  });

  it('are refused when they are of another consumer group, topic or cluster', () => {
    expect(refusal(receipts.seal(other, receipt))).toBe(
      'receipt_handle belongs to another consumer group or topic: acknowledge by the consumer that received it',
    );
    expect(refusal(receipts.seal(owner, receipt))).toBe('taken');
  });

  it.each([
    ['RocketMQ’s own', encodePopReceipt(receipt)],
    ['a message id', '7F000001000078BF4B8559D9D7C60000'],
    ['an id of a producer', sealer.seal('producer', Buffer.from(owner + encodePopReceipt(receipt)))],
    ['an id of a consumer', sealer.seal('consumer', Buffer.from(owner + encodePopReceipt(receipt)))],
    ['of another key', new Receipts(new Sealer([Buffer.alloc(32, 'other')])).seal(owner, receipt)],
    ['far too long', 'A'.repeat(5_000_000)],
    ['not text', '\u0000\uffff'],
  ])('are refused when they are %s', (_, handle) => {
    expect(refusal(handle)).toBe(notOurs);
  });

  it.each([
    ['POP', receipt],
    ['pull', { clientMark: 'a', deliveryNumber: 1 }],
  ])('are refused when a character is altered, added or left out: by %s', (_, claim) => {
    const handle = receipts.seal(owner, claim);
    for (let index = 0; index < handle.length; index += 1) {
      const [before, after] = [handle.slice(0, index), handle.slice(index + 1)];
      const altered = handle[index] === 'A' ? 'B' : 'A';
      for (const text of [before + altered + after, before + after, `${before}A${handle[index]}${after}`]) {
        if (text !== handle) expect(refusal(text)).toBe(notOurs);
      }
    }
  });

  it('are refused when they are made up', () => {
    fc.assert(fc.property(fc.base64String({ minLength: 1, maxLength: 300 }), (text) => refusal(text) === notOurs));
  });

  describe('that were sealed here', () => {
    let here: Receipts;
    let sealerHere: Sealer;

    beforeEach(() => {
      sealerHere = new Sealer([key]);
      here = new Receipts(sealerHere);
    });

    /** Opens a handle. @returns how often something was decrypted for that. */
    function decryptions(handle: string): number {
      const decrypt = vi.spyOn(sealerHere, 'open');
      onTestFinished(() => decrypt.mockRestore());
      expect(here.open(owner, handle)).toMatchObject({ receipt, peer: undefined });
      return decrypt.mock.calls.length;
    }

    it('open without being decrypted, once', () => {
      const handle = here.seal(owner, receipt);
      expect(decryptions(handle)).toBe(0);
      expect(decryptions(handle)).toBe(1);
    });

    it('are of one group, topic and cluster all the same', () => {
      const handle = here.seal(other, receipt);
      expect(() => here.open(owner, handle)).toThrow('another consumer group or topic');
    });

    it('open as any others behind so many that have not come back', () => {
      const first = here.seal(owner, receipt);
      for (let count = 1; count < handlesMin; count += 1) here.seal(owner, receipt);
      const next = here.seal(owner, receipt);
      expect(decryptions(first)).toBe(0);
      expect(decryptions(next)).toBe(0);
      const old = here.seal(owner, receipt);
      for (let count = 0; count < 2 * handlesMin; count += 1) here.seal(owner, receipt);
      expect(decryptions(old)).toBe(1);
    });

    it.each([0, 1])('do not open once their key has gone: by pull, opened before so often: %s', (openedCount) => {
      const handle = here.seal(owner, { clientMark: 'a', deliveryNumber: 1 });
      for (let count = 0; count < openedCount; count += 1) here.open(owner, handle);
      sealerHere.replaceKeys([Buffer.alloc(32, 'new'), key]);
      expect(here.open(owner, handle).receipt).toEqual({ clientMark: 'a', deliveryNumber: 1 });
      const renewed = here.seal(owner, { clientMark: 'a', deliveryNumber: 2 });
      sealerHere.replaceKeys([Buffer.alloc(32, 'new')]);
      expect(() => here.open(owner, handle)).toThrow('was not issued by this service');
      expect(here.open(owner, renewed).receipt).toEqual({ clientMark: 'a', deliveryNumber: 2 });
    });

    it('do not open once their key has gone', () => {
      const handle = here.seal(owner, receipt);
      const kept = here.seal(owner, receipt);
      sealerHere.replaceKeys([Buffer.alloc(32, 'new'), key]);
      expect(decryptions(kept)).toBe(1);
      sealerHere.replaceKeys([Buffer.alloc(32, 'new')]);
      expect(() => here.open(owner, handle)).toThrow('was not issued by this service');
    });
  });
});
