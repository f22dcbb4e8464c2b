import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { createMessageIds, createOffsetMessageIds, decodeOffsetMessageId } from '../../src/remoting/message-id.ts';

const partsOf = (id: string) => ({
  address: id.slice(0, 8),
  pid: Number.parseInt(id.slice(8, 12), 16),
  hash: id.slice(12, 20),
  spanMs: Number.parseInt(id.slice(20, 28), 16),
  counter: Number.parseInt(id.slice(28, 32), 16),
});

describe('createMessageIds', () => {
  test('fills the fields of the Java layout', () => {
    const now = () => new Date(2026, 6, 3, 4, 5, 6, 7).getTime();
    const ids = createMessageIds({ now, random: (count) => Buffer.alloc(count, 0xab) });
    const parts = partsOf(ids());
    expect(parts.address).toBe('ABABABAB');
    expect(parts.pid).toBe(process.pid & 0xffff);
    expect(parts.hash).toBe('ABABABAB');
    expect(parts.spanMs).toBe(now() - new Date(2026, 6, 1).getTime());
  });

  test('are 32 upper-case hex digits by the real clock and real randomness', () => {
    expect(createMessageIds()()).toMatch(/^[0-9A-F]{32}$/);
  });

  test('two generators of one process differ in their random fields', () => {
    const [first, second] = [partsOf(createMessageIds()()), partsOf(createMessageIds()())];
    expect(first.address + first.hash).not.toBe(second.address + second.hash);
  });

  test('the last millisecond of a long month fits its field', () => {
    const now = () => new Date(2026, 6, 31, 23, 59, 59, 999).getTime();
    const id = createMessageIds({ now })();
    expect(partsOf(id).spanMs).toBe(31 * 86_400_000 - 1);
  });

  test('no id comes twice while the clock stands still', () => {
    const ids = createMessageIds({ now: () => 1_700_000_000_000 });
    const seen = new Set(Array.from({ length: 200_000 }, ids));
    expect(seen.size).toBe(200_000);
  });

  test('no id comes twice when the clock is set back again and again', () => {
    let call = 0;
    const ids = createMessageIds({ now: () => 1_700_000_000_000 + (call++ % 3) * 10 - Math.floor(call / 1000) });
    const seen = new Set(Array.from({ length: 200_000 }, ids));
    expect(seen.size).toBe(200_000);
  });

  test('a new month draws new random fields, and a step back before it does not bring the old ones', () => {
    let nowMs = new Date(2026, 0, 31, 23, 59, 59, 999).getTime();
    const ids = createMessageIds({ now: () => nowMs });
    const before = partsOf(ids());
    nowMs += 1;
    const after = partsOf(ids());
    expect(after.spanMs).toBe(0);
    expect(after.hash).not.toBe(before.hash);
    nowMs -= 3_600_000;
    const stepped = partsOf(ids());
    expect(stepped.hash).toBe(after.hash);
    expect(stepped.spanMs).toBe(0);
    expect(stepped.counter).not.toBe(after.counter);
  });
});

describe('decodeOffsetMessageId', () => {
  // MessageDecoder.createMessageId of rocketmq-common 5.5.0 for 127.0.0.1:10911 and [2001:db8::5]:10911 at 9876543210.
  test.each([
    ['7F00000100002A9F000000024CB016EA', '127.0.0.1:10911'],
    ['7f00000100002a9f000000024cb016ea', '127.0.0.1:10911'],
    ['20010DB800000000000000000000000500002A9F000000024CB016EA', '[2001:db8::5]:10911'],
  ])('reads %s', (id, storeHost) => {
    expect(decodeOffsetMessageId(id)).toEqual({ storeHost, commitLogOffset: 9_876_543_210n });
  });

  test.each([
    '',
    '7F00000100002A9F000000024CB016E',
    '7F00000100002A9F000000024CB016EA0',
    '7F00000100002A9F000000024CB016EG',
    ' 7F00000100002A9F000000024CB016EA',
    '7F00000100002A9F000000024CB016EA\n',
    '7F000001FFFFFFFF000000024CB016EA',
    '7F00000100002A9F000000024CB016EA,7F00000100002A9F000000024CB016EA',
  ])('refuses %j', (id) => {
    expect(() => decodeOffsetMessageId(id)).toThrow(RemotingError);
  });
});

describe('createOffsetMessageIds', () => {
  test('makes the ids that a broker of Apache RocketMQ makes', () => {
    expect(createOffsetMessageIds('127.0.0.1:10911')(0)).toBe('7F00000100002A9F0000000000000000');
    expect(createOffsetMessageIds('127.0.0.1:10911')(0x1234)).toBe('7F00000100002A9F0000000000001234');
  });

  test.each(['10.1.2.3:1', '255.255.255.255:65535', '[::1]:10911', '[2001:db8::ff00:42:8329]:9876'])(
    'makes ids of %s that are read again',
    (storeHost) => {
      const idOf = createOffsetMessageIds(storeHost);
      for (const commitLogOffset of [0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]) {
        const read = decodeOffsetMessageId(idOf(commitLogOffset));
        expect(read.commitLogOffset).toBe(BigInt(commitLogOffset));
        expect(createOffsetMessageIds(read.storeHost)(commitLogOffset)).toBe(idOf(commitLogOffset));
      }
    },
  );

  test('refuses what is no address', () => {
    expect(() => createOffsetMessageIds('localhost:10911')).toThrow(RemotingError);
  });
});
