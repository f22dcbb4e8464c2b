import { describe, expect, test } from 'vitest';
import { decodeClientOffsets, resetClientOffset } from '../../../src/remoting/requests/reset-client-offset.ts';
import { blankCommand } from '../../support/loopback-server.ts';

function requestOf(body: string) {
  return { ...blankCommand, code: 220, extFields: { topic: 't', group: 'g' }, body: Buffer.from(body) };
}

describe('RESET_CONSUMER_CLIENT_OFFSET', () => {
  test('brings the new place in each queue, keyed by queues as fastjson writes them', () => {
    // Java `ResetOffsetBody.encode` of 4.9.7 writes a map whose keys are objects.
    const request = requestOf(
      '{"offsetTable":{{"brokerName":"b","queueId":1,"topic":"t"}:7,{"brokerName":"b","queueId":0,"topic":"t"}:0}}',
    );
    expect(resetClientOffset.decode(request)).toEqual({ topic: 't', group: 'g' });
    expect([...decodeClientOffsets(request)]).toEqual([
      [{ topic: 't', brokerName: 'b', queueId: 1 }, 7n],
      [{ topic: 't', brokerName: 'b', queueId: 0 }, 0n],
    ]);
    expect(decodeClientOffsets(requestOf('{}')).size).toBe(0);
  });

  test.each(['-1', '1.5', '"1"', 'null', '1e300'])('has no place %s', (offset) => {
    const request = requestOf(`{"offsetTable":{{"brokerName":"b","queueId":1,"topic":"t"}:${offset}}}`);
    expect(() => decodeClientOffsets(request)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  });
});
