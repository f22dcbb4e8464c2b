import { describe, expect, test } from 'vitest';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { sendBatchMessage, sendMessage } from '../../../src/remoting/requests/send-message.ts';
import { deadLetterDelayLevel, sendMessageBack } from '../../../src/remoting/requests/send-message-back.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const fields = {
  producerGroup: 'pg',
  topic: 'T',
  defaultTopic: 'TBW102',
  defaultTopicQueueCount: 4,
  queueId: 3,
  sysFlag: 5,
  bornTimestampMs: 1_700_000_000_123,
  flag: 7,
  properties: 'TAGS\u0001a\u0002',
  reconsumeTimes: 2,
  unitMode: false,
  maxReconsumeTimes: 16,
  batch: true,
  brokerName: 'broker-a',
};

/** Header fields of Java's `SendMessageRequestHeaderV2` (5.5.0) with the same values. */
const javaFields = {
  ...{ a: 'pg', b: 'T', c: 'TBW102', d: '4', e: '3', f: '5', g: '1700000000123', h: '7', i: 'TAGS\u0001a\u0002' },
  ...{ j: '2', k: 'false', l: '16', m: 'true', n: 'broker-a' },
};

describe.each([
  ['SEND_MESSAGE_V2', 310, sendMessage],
  ['SEND_BATCH_MESSAGE', 320, sendBatchMessage],
] as const)('%s', (name, code, definition) => {
  test('has the code and the fields that Java writes', () => {
    const body = Buffer.from('body');
    expect(definition.name).toBe(name);
    expect(definition.encode(fields, body)).toEqual({ code, extFields: javaFields, body });
    expect(definition.decode({ ...blankCommand, extFields: javaFields })).toEqual(fields);
  });

  test('reads the reply that Java writes', () => {
    const extFields = {
      msgId: '7F000001',
      queueId: '3',
      queueOffset: '42',
      transactionId: 'tx',
      batchUniqId: 'b',
      recallHandle: 'rh',
    };
    expect(definition.decodeReply({ ...blankCommand, extFields }, 'h:1')).toEqual({
      messageId: '7F000001',
      queueId: 3,
      queueOffset: 42n,
      transactionId: 'tx',
      recallHandle: 'rh',
    });
  });

  test('takes the codes that say stored, and no other', () => {
    const extFields = { msgId: '7F000001', queueId: '3', queueOffset: '42' };
    for (const stored of [0, 10, 11, 12]) {
      expect(definition.decodeReply({ ...blankCommand, code: stored, extFields }, 'h:1')).toMatchObject({
        queueOffset: 42n,
      });
    }
    for (const refused of [1, 2, 9, 13, 14, 16, 17]) {
      expect(() => definition.decodeReply({ ...blankCommand, code: refused, extFields }, 'h:1')).toThrow(ResponseError);
    }
  });
});

describe('replies of real brokers', () => {
  const offsetId = expect.stringMatching(/^[0-9A-F]{32}$/);

  test.each(['send-4.9.7', 'send-binary-4.9.7', 'send-5.5.0', 'send-binary-5.5.0'])('%s', (name) => {
    const { transactionId, ...reply } = sendMessage.decodeReply(capturedCommand(name), 'h:1');
    expect(reply).toEqual({
      ...{ messageId: offsetId, queueId: 1, queueOffset: name.includes('binary') ? 1n : 0n },
      ...{ region: 'DefaultRegion', traceOn: true },
    });
    // 5.x says the UNIQ_KEY here, 4.9 says nothing.
    expect(transactionId).toEqual(name.endsWith('5.5.0') ? expect.stringMatching(/^[0-9A-F]{56}$/) : undefined);
  });

  test.each(['send-batch-4.9.7', 'send-batch-5.5.0'])('%s', (name) => {
    const reply = sendBatchMessage.decodeReply(capturedCommand(name), 'h:1');
    expect(reply).toMatchObject({ queueId: 0, queueOffset: 0n });
    expect(reply.messageId.split(',')).toEqual([offsetId, offsetId]);
  });

  test.each([
    ['send-illegal-topic-4.9.7', 1],
    ['send-illegal-topic-5.5.0', 29],
    ['send-too-large-4.9.7', 13],
    ['send-too-large-5.5.0', 13],
  ])('%s', (name, code) => {
    const refused = { code, address: 'h:1', remark: expect.stringMatching(/illegal/) };
    expect(() => sendMessage.decodeReply(capturedCommand(name), 'h:1')).toThrow(expect.objectContaining(refused));
  });
});

test('CONSUMER_SEND_MSG_BACK has the code and the fields that Java writes', () => {
  expect(
    sendMessageBack.encode({
      offset: 1_234_567_890_123n,
      group: 'g',
      delayLevel: deadLetterDelayLevel,
      originMessageId: 'AC11',
      originTopic: 'T',
      maxReconsumeTimes: 0,
    }),
  ).toEqual({
    code: 36,
    extFields: {
      offset: '1234567890123',
      group: 'g',
      delayLevel: '-1',
      originMsgId: 'AC11',
      originTopic: 'T',
      maxReconsumeTimes: '0',
    },
  });
});
