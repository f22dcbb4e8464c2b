import { expect, test } from 'vitest';
import {
  decodeMessageRequestMode,
  encodeMessageRequestMode,
} from '../../../src/remoting/requests/set-message-request-mode.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `SetMessageRequestModeRequestBody.encode()` writes. */
const javaBody = '{"consumerGroup":"g","mode":"POP","popShareQueueNum":3,"topic":"T"}';
const setting = { topic: 'T', consumerGroup: 'g', mode: 'POP', popShareQueueCount: 3 } as const;

function request(body: string) {
  return { ...blankCommand, body: Buffer.from(body) };
}

test('is what Java writes', () => {
  const { code, body } = encodeMessageRequestMode(setting);
  expect([code, JSON.parse(Buffer.from(body ?? []).toString())]).toEqual([401, JSON.parse(javaBody)]);
  expect(decodeMessageRequestMode(request(javaBody))).toEqual(setting);
});

test('starts with pull, as Java does, and takes nothing else', () => {
  const absent = decodeMessageRequestMode(request('{"topic":"T","consumerGroup":"g"}'));
  expect(absent).toEqual({ ...setting, mode: 'PULL', popShareQueueCount: 0 });
  for (const part of ['"mode":"PUSH"', '"popShareQueueNum":1.5']) {
    expect(() => decodeMessageRequestMode(request(`{"topic":"T","consumerGroup":"g",${part}}`))).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
  }
});
