import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  payloadBytesMax,
  SealError,
  type SealedKind,
  Sealer,
  sealedCharsMax,
} from '../../../src/proxy/session/seal.ts';

const kinds: readonly SealedKind[] = ['producer', 'consumer', 'receipt', 'peer', 'transaction', 'recall'];
const key = randomBytes(32);
const payload = Buffer.from('endpoint, topic, group');

function refusal(open: () => unknown): unknown {
  try {
    open();
  } catch (error) {
    return error;
  }
  return 'opened';
}

describe('Sealer', () => {
  it('opens what was sealed when sub-keys came of hkdfSync', () => {
    const old = 'AZZgUasleu705LzdrJlE7PVaRVD7AAAAAAAAAAAXdxEu54Zz_AM7xyihAELKUQZO5h2HHw';
    const oldKey = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
    expect(new Sealer([oldKey]).open('producer', old).toString()).toBe('payload');
  });

  it.each(kinds)('opens what it sealed as a %s', (kind) => {
    const sealer = new Sealer([key]);
    expect(sealer.open(kind, sealer.seal(kind, payload))).toEqual(payload);
    expect(sealer.open(kind, sealer.seal(kind, new Uint8Array()))).toHaveLength(0);
  });

  it('shows nothing of the payload and never the same text twice', () => {
    const sealer = new Sealer([key]);
    const texts = new Set(Array.from({ length: 1000 }, () => sealer.seal('receipt', payload)));
    expect(texts.size).toBe(1000);
    for (const text of texts) expect(Buffer.from(text, 'base64url').includes('topic')).toBe(false);
  });

  it('counts its nonces and draws a salt of its own, so that no nonce repeats under one key', () => {
    const header = (text: string) => Buffer.from(text, 'base64url');
    const one = new Sealer([key]);
    const other = new Sealer([key]);
    const [first, second, foreign] = [one, one, other].map((sealer) => header(sealer.seal('producer', payload)));
    expect(first?.readBigUInt64BE(21)).toBe(0n);
    expect(second?.readBigUInt64BE(21)).toBe(1n);
    expect(second?.subarray(5, 21)).toEqual(first?.subarray(5, 21));
    expect(foreign?.subarray(5, 21)).not.toEqual(first?.subarray(5, 21));
  });

  it('opens what another process sealed under the same key', () => {
    expect(new Sealer([key]).open('consumer', new Sealer([key]).seal('consumer', payload))).toEqual(payload);
  });

  it('opens what more processes sealed than it keeps sub-keys for', () => {
    const sealer = new Sealer([key]);
    const texts = Array.from({ length: 1100 }, () => new Sealer([key]).seal('producer', payload));
    for (const text of [...texts, ...texts]) expect(sealer.open('producer', text)).toEqual(payload);
  });

  it('refuses every other kind', () => {
    const sealer = new Sealer([key]);
    for (const sealed of kinds) {
      const text = sealer.seal(sealed, payload);
      for (const kind of kinds.filter((other) => other !== sealed)) {
        expect(() => sealer.open(kind, text)).toThrow(SealError);
      }
    }
  });

  it('refuses every flipped bit and every truncation, always with the same text', () => {
    const sealer = new Sealer([key]);
    const text = sealer.seal('receipt', payload);
    const bytes = Buffer.from(text, 'base64url');
    const altered: string[] = [];
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      altered.push(copy.toString('base64url'));
    }
    for (let length = 0; length < text.length; length += 1) altered.push(text.slice(0, length));
    for (let length = 0; length < bytes.length; length += 1)
      altered.push(bytes.subarray(0, length).toString('base64url'));
    const refusals = altered.map((forged) => refusal(() => sealer.open('receipt', forged)));
    expect(refusals.every((error) => error instanceof SealError && error.cause === undefined)).toBe(true);
    expect(new Set(refusals.map(String)).size).toBe(1);
  });

  it('refuses every other spelling of a text that it sealed', () => {
    const sealer = new Sealer([key]);
    // One, two and three bytes in the last group of base64: the unused bits of the last character must be zero.
    for (const length of [1, 2, 3]) {
      const text = sealer.seal('receipt', payload.subarray(0, length));
      const last = text.length - 1;
      const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
      const opened = others.filter(
        (char) => refusal(() => sealer.open('receipt', text.slice(0, last) + char)) === 'opened',
      );
      expect(opened).toEqual([text[last]]);
      for (const spelled of [`${text}=`, ` ${text}`, `${text}\n`, text.replace(/^./, '$&!')]) {
        expect(() => sealer.open('receipt', spelled)).toThrow(SealError);
      }
    }
  });

  it('refuses what was sealed under a key that it does not hold', () => {
    const text = new Sealer([randomBytes(32)]).seal('producer', payload);
    expect(() => new Sealer([key]).open('producer', text)).toThrow(SealError);
  });

  it('says which key a text is sealed under that it does not hold, and nothing of what is no such text', () => {
    const told: string[] = [];
    const sealer = new Sealer([key], (keyId) => told.push(keyId));
    const strange = new Sealer([randomBytes(32)]);
    const texts = [strange.seal('producer', payload), strange.seal('receipt', payload)];
    for (const text of [...texts, sealer.seal('receipt', payload), '', 'x'.repeat(200)])
      refusal(() => sealer.open('producer', text));
    const [keyId] = texts.map((text) => Buffer.from(text, 'base64url').toString('hex', 1, 5));
    expect(told).toEqual([keyId, keyId]);
  });

  it('rotates: the old key still opens, the new one seals', () => {
    const newKey = randomBytes(32);
    const before = new Sealer([key]);
    const during = new Sealer([newKey, key]);
    const after = new Sealer([newKey]);
    expect(during.open('producer', before.seal('producer', payload))).toEqual(payload);
    expect(after.open('producer', during.seal('producer', payload))).toEqual(payload);
    expect(() => after.open('producer', before.seal('producer', payload))).toThrow(SealError);
  });

  it('takes other keys while it lives, and keeps those it has where they are no keys', () => {
    const newKey = randomBytes(32);
    const sealer = new Sealer([key]);
    const old = sealer.seal('producer', payload);
    sealer.replaceKeys([newKey, key]);
    const fresh = sealer.seal('producer', payload);
    expect([sealer.open('producer', old), new Sealer([newKey]).open('producer', fresh)]).toEqual([payload, payload]);
    sealer.replaceKeys([newKey]);
    expect(() => sealer.open('producer', old)).toThrow(SealError);
    expect(() => sealer.replaceKeys([])).toThrow(RangeError);
    expect(() => sealer.replaceKeys([randomBytes(31)])).toThrow(RangeError);
    expect(sealer.open('producer', fresh)).toEqual(payload);
    expect(sealer.open('producer', sealer.seal('producer', payload))).toEqual(payload);
  });

  it('refuses 100,000 random texts', { timeout: 60_000 }, () => {
    const sealer = new Sealer([key]);
    const prefix = Buffer.from(sealer.seal('receipt', payload), 'base64url').subarray(0, 21);
    let openedCount = 0;
    for (let round = 0; round < 100_000; round += 1) {
      const noise = randomBytes(round % 120);
      // Every second one starts as a genuine text does.
      const text = (round % 2 === 0 ? noise : Buffer.concat([prefix, noise])).toString('base64url');
      if (refusal(() => sealer.open('receipt', text)) instanceof SealError) continue;
      openedCount += 1;
    }
    expect(openedCount).toBe(0);
  });

  it('seals up to its longest payload and looks at nothing longer', () => {
    const sealer = new Sealer([key]);
    const longest = sealer.seal('receipt', new Uint8Array(payloadBytesMax));
    expect(longest).toHaveLength(sealedCharsMax);
    expect(sealer.open('receipt', longest)).toHaveLength(payloadBytesMax);
    expect(() => sealer.seal('receipt', new Uint8Array(payloadBytesMax + 1))).toThrow(/12244 bytes is too long/);
    expect(() => sealer.open('receipt', 'A'.repeat(sealedCharsMax + 1))).toThrow(SealError);
  });

  it('takes only keys of 32 bytes, and at least one', () => {
    expect(() => new Sealer([])).toThrow(RangeError);
    expect(() => new Sealer([key, randomBytes(16)])).toThrow(RangeError);
  });
});
