import { expect, test } from 'vitest';
import { broadcastOf } from '../../../src/client/api/broadcast.ts';

test('a broadcast keeps its place in memory or in a file', () => {
  expect([broadcastOf(), broadcastOf(false)]).toEqual([undefined, undefined]);
  expect(broadcastOf(true)).toEqual({ localOffsets: undefined });
  const local = { directory: '/var/lib/offsets', clientId: 'member-1' };
  expect(broadcastOf(local)).toEqual({ localOffsets: local });
});

test.each([{ directory: 'd' }, { directory: '', clientId: 'c' }, { directory: 1, clientId: 'c' }])(
  'refuses %j',
  (given) => {
    expect(() => broadcastOf(JSON.parse(JSON.stringify(given)))).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/^broadcast\.\w+ is missing/),
      }),
    );
  },
);
