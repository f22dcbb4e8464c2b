import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DeliveryHandles, stemsMax } from '../../../src/proxy/receive/delivery-handles.ts';
import { SealError, Sealer } from '../../../src/proxy/session/seal.ts';

const key = Buffer.from('0123456789abcdefghijklmnopqrstuv');
const from = { owner: 'owner-12char', by: 'id@127.0.0.1:8080', clientMark: '0123456789abcdef' };

describe('handles of deliveries by pull', () => {
  let sealer: Sealer;
  let handles: DeliveryHandles;

  beforeEach(() => {
    sealer = new Sealer([key]);
    handles = new DeliveryHandles(sealer);
  });

  const opened = (deliveryNumber: number, { owner, by, clientMark } = from) => ({
    owner,
    by,
    claim: { clientMark, deliveryNumber },
  });

  it('open here and at whoever has the key', () => {
    const elsewhere = new DeliveryHandles(new Sealer([Buffer.alloc(32, 'new'), key]));
    for (const number of [1, 2, 99_999_999_999_999]) {
      const handle = handles.seal(from, number);
      expect([handles.isLike(handle), handles.open(handle), elsewhere.open(handle)]).toEqual([
        true,
        opened(number),
        opened(number),
      ]);
    }
  });

  it('cost one encryption for all of the same owner and client, and no decryption here', () => {
    const [seal, open] = [vi.spyOn(sealer, 'seal'), vi.spyOn(sealer, 'open')];
    const other = { ...from, owner: 'other-12char' };
    for (let number = 1; number <= 10; number += 1) {
      expect(handles.open(handles.seal(from, number))).toEqual(opened(number));
      expect(handles.open(handles.seal(other, number))).toEqual(opened(number, other));
    }
    expect([seal.mock.calls.length, open.mock.calls.length]).toEqual([2, 0]);
  });

  it('differ by owner, by who hands out, and by client', () => {
    const others = [{ owner: 'other-12char' }, { by: '' }, { clientMark: 'x' }].map((change) => ({
      ...from,
      ...change,
    }));
    const stems = [from, ...others].map((each) => handles.seal(each, 1).split('.')[0]);
    expect(new Set(stems).size).toBe(stems.length);
    for (const each of others) expect(handles.open(handles.seal(each, 1))).toEqual(opened(1, each));
  });

  it('do not open put together of two', () => {
    const [stem] = handles.seal(from, 1).split('.');
    const [, number] = handles.seal({ ...from, owner: 'other-12char' }, 1).split('.');
    expect(() => handles.open(`${stem}.${number}`)).toThrow(SealError);
  });

  it.each(['.', 'x', 'x.y', '..'])('are not what was never sealed: %j', (text) => {
    expect(() => handles.open(text)).toThrow(SealError);
  });

  it('take a refusal of the sealer to be refused, whichever part is wrong', () => {
    const [stem = '', number = ''] = handles.seal(from, 1).split('.');
    const open = vi.spyOn(sealer, 'open');
    const forged = [`${stem}.${number.slice(1)}A`, `${stem}.`, `${stem.slice(1)}.${number}`, `.${number}`];
    for (const handle of forged) expect(() => handles.open(handle)).toThrow(SealError);
    expect(open).toHaveBeenCalledTimes(forged.length);
  });

  it('open as those of others once their stem is no longer kept', () => {
    const handle = handles.seal(from, 1);
    for (let count = 0; count < stemsMax; count += 1) handles.seal({ ...from, clientMark: String(count) }, 1);
    const open = vi.spyOn(sealer, 'open');
    expect([handles.open(handle), handles.open(handle)]).toEqual([opened(1), opened(1)]);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it('are sealed anew once all is forgotten', () => {
    const [before] = handles.seal(from, 1).split('.');
    handles.clear();
    expect(handles.seal(from, 1).split('.')[0]).not.toBe(before);
  });
});
