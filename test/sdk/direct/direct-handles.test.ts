import { expect, test } from 'vitest';
import { type Claim, decodeClaim, encodeClaim } from '../../../src/client/receipt.ts';
import { DirectHandles } from '../../../src/sdk/direct/direct-handles.ts';

const receipt: Claim = {
  startOffset: 1n,
  popTimeMs: 2,
  invisibleDurationMs: 3,
  reviveQueueId: 4,
  retry: '1',
  brokerName: 'broker-a',
  queueId: 5,
  queueOffset: 2n ** 53n + 1n,
};

function handlesOf(...owner: string[]): DirectHandles<Claim> {
  return new DirectHandles('receipt handle', owner, { encode: encodeClaim, decode: decodeClaim });
}

test('a handle is read by the owner that made it, and by no other', () => {
  const handles = handlesOf('group', 'orders');
  const handle = handles.encode(receipt);
  expect(handle).toMatch(/^[\w-]+$/);
  expect(handles.decode(handle)).toEqual(receipt);
  const others = [handlesOf('other', 'orders'), handlesOf('group', 'other'), handlesOf('group'), handlesOf()];
  for (const other of others)
    expect(() => other.decode(handle)).toThrow(/receipt handle .* another kind, group or topic/);
});

test('a handle of one kind is none of another', () => {
  const asIs = { encode: String, decode: String };
  const [one, other] = ['recall handle', 'transaction handle'].map((kind) => new DirectHandles(kind, ['orders'], asIs));
  expect(() => other?.decode(one?.encode('x') ?? '')).toThrow(
    /^the transaction handle cannot be used: .* another kind/,
  );
});

test.each(['', 'x', 'bnVsbA', Buffer.from('["receipt handle","group","orders",7]').toString('base64url')])(
  '%j is refused',
  (handle) => {
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' });
    expect(() => handlesOf('group', 'orders').decode(handle)).toThrow(refusal);
  },
);
