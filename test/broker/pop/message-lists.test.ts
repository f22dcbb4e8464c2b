import { describe, expect, it } from 'vitest';
import { messageLists } from '../../../src/broker/pop/message-lists.ts';

describe('messageLists', () => {
  it('lists what Java lists (fixture pop-5.5.0)', () => {
    const queues = [1, 0, 2].map((queueId) => ({ queueId, offsets: [0, 1], reconsumeTimes: [0, 0] }));
    expect(messageLists('fixture-pop', queues, false)).toEqual({
      startOffsetInfo: '0 1 0;0 0 0;0 2 0',
      msgOffsetInfo: '0 1 0,1;0 0 0,1;0 2 0,1',
    });
  });

  it('counts deliveries of ordered messages as Java does (fixtures pop-order-5.5.0, pop-order-again-5.5.0)', () => {
    const first = [{ queueId: 0, offsets: [0, 1], reconsumeTimes: [0, 0] }];
    expect(messageLists('fixture-pop', first, true).orderCountInfo).toBe('0 0 0');
    const again = [{ queueId: 0, offsets: [0, 1], reconsumeTimes: [1, 1] }];
    expect(messageLists('fixture-pop', again, true).orderCountInfo).toBe('0 qo0%0 1;0 qo0%1 1;0 0 1');
  });

  it('gives a queue the least count of its messages', () => {
    const queues = [
      { queueId: 4, offsets: [7, 8], reconsumeTimes: [2, 0] },
      { queueId: 5, offsets: [1], reconsumeTimes: [3] },
    ];
    expect(messageLists('t', queues, true).orderCountInfo).toBe('0 qo4%7 2;0 4 0;0 qo5%1 3;0 5 3');
  });

  it('starts at the lowest offset, and says of which kind the topic is', () => {
    const queues = [{ queueId: 0, offsets: [9, 4], reconsumeTimes: [1, 0] }];
    expect(messageLists('%RETRY%g', queues, false)).toEqual({ startOffsetInfo: '1 0 4', msgOffsetInfo: '1 0 9,4' });
    expect(messageLists('%RETRY%g+t', queues, false).startOffsetInfo).toBe('2 0 4');
  });
});
