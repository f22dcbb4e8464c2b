import { describe, expect, test } from 'vitest';
import {
  clientIdLengthMax,
  decodeHeartbeat,
  decodeHeartbeatReply,
  encodeHeartbeat,
  heartbeatGroupCountMax,
  subscriptionCountMax,
} from '../../../src/remoting/requests/heartbeat.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `HeartbeatData.encode()` (5.5.0) writes for a client with one producer group and one group that receives by POP. */
const javaBody =
  '{"clientID":"c@1","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_POP","groupName":"g",' +
  '"messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*",' +
  '"subVersion":1700000000123,"tagsSet":[],"topic":"T"}],"unitMode":false}],"heartbeatFingerprint":0,' +
  '"producerDataSet":[{"groupName":"pg"}],"withoutSub":false}';

test('HEART_BEAT says what Java says', () => {
  const content = encodeHeartbeat({
    clientId: 'c@1',
    producerGroups: ['pg'],
    consumers: [{ groupName: 'g', subscriptions: [{ topic: 'T', expression: '*', version: 1_700_000_000_123 }] }],
  });
  expect(content).toMatchObject({ code: 34, extFields: {} });
  expect(JSON.parse(Buffer.from(content.body ?? []).toString())).toEqual(JSON.parse(javaBody));
});

test('HEART_BEAT says how a group receives, and the hashes of the tags that it wants', () => {
  const { body } = encodeHeartbeat({
    clientId: 'c',
    producerGroups: [],
    consumers: [
      {
        groupName: 'g',
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'BROADCASTING',
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        subscriptions: [
          { topic: 'T', expression: 'TagA || TagB', version: 1 },
          { topic: 'U', expression: 'a > 1', expressionType: 'SQL92', version: 2 },
        ],
      },
    ],
  });
  expect(JSON.parse(Buffer.from(body ?? []).toString()).consumerDataSet).toMatchObject([
    {
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'BROADCASTING',
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      subscriptionDataSet: [
        // "TagA".hashCode() and "TagB".hashCode() of Java.
        { subString: 'TagA || TagB', expressionType: 'TAG', tagsSet: ['TagA', 'TagB'], codeSet: [2598919, 2598920] },
        { subString: 'a > 1', expressionType: 'SQL92', tagsSet: [], codeSet: [] },
      ],
    },
  ]);
});

test('HEART_BEAT of a client without groups has empty sets', () => {
  const { body } = encodeHeartbeat({ clientId: 'c', producerGroups: [], consumers: [] });
  expect(JSON.parse(Buffer.from(body ?? []).toString())).toMatchObject({ producerDataSet: [], consumerDataSet: [] });
});

test('HEART_BEAT takes the reply of any version', () => {
  for (const name of ['heartbeat-4.9.7', 'heartbeat-5.5.0']) {
    expect(decodeHeartbeatReply(capturedCommand(name), 'h:1')).toEqual(
      name.endsWith('5.5.0') ? { supportsWithoutSubscriptions: true, needsSubscriptions: true } : {},
    );
  }
  expect(() => decodeHeartbeatReply({ ...blankCommand, code: 1 }, 'h:1')).toThrow(expect.objectContaining({ code: 1 }));
});

/** A request with this body. */
function request(body: unknown) {
  return { ...blankCommand, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
}

function malformed(text: string): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'malformed', message: expect.stringContaining(text) });
}

describe('a broker', () => {
  test('reads what Java writes', () => {
    expect(decodeHeartbeat(request(javaBody))).toEqual({
      clientId: 'c@1',
      producerGroups: ['pg'],
      consumers: [
        {
          groupName: 'g',
          consumeType: 'CONSUME_POP',
          messageModel: 'CLUSTERING',
          consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
          subscriptions: [{ topic: 'T', expression: '*', expressionType: 'TAG', version: 1_700_000_000_123 }],
        },
      ],
      withoutSubscriptions: false,
    });
  });

  test('reads what rocketmq-client-go writes: other capitals, nulls, nanoseconds', () => {
    const body =
      '{"clientID":"c@1","producerDataSet":[],"consumerDataSet":[{"groupName":"g","consumeType":"CONSUME_PASSIVELY","messageModel":' +
      '"BroadCasting","consumeFromWhere":"UNKOWN","subscriptionDataSet":[{"classFilterMode":false,"topic":"T","subString":"a || b",' +
      '"tagsSet":["a","b"],"codeSet":null,"subVersion":1700000000123456789,"expressionType":""}],"unitMode":false},' +
      '{"groupName":"h","subscriptionDataSet":null}]}';
    expect(decodeHeartbeat(request(body)).consumers).toEqual([
      {
        groupName: 'g',
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'BROADCASTING',
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        subscriptions: [
          { topic: 'T', expression: 'a || b', expressionType: 'TAG', version: 1_700_000_000_123_456_800 },
        ],
      },
      expect.objectContaining({ groupName: 'h', consumeType: 'CONSUME_PASSIVELY', subscriptions: [] }),
    ]);
  });

  test('takes a heartbeat without subscriptions for one only with its fingerprint', () => {
    const without = (more: object) => decodeHeartbeat(request({ clientID: 'c', withoutSub: true, ...more }));
    expect(without({ heartbeatFingerprint: -7 }).withoutSubscriptions).toBe(true);
    expect(without({ heartbeatFingerprint: 0 }).withoutSubscriptions).toBe(false);
    expect(without({}).withoutSubscriptions).toBe(false);
  });

  test.each([
    ['', 'JSON'],
    ['null', 'not a JSON object'],
    ['{}', 'clientID'],
    [{ clientID: 7 }, 'clientID'],
    [{ clientID: 'c', producerDataSet: {} }, 'producerDataSet'],
    [{ clientID: 'c', producerDataSet: [{}] }, 'groupName'],
    [{ clientID: 'c', consumerDataSet: [{ groupName: 'g', consumeType: 'X' }] }, 'consumeType'],
    [{ clientID: 'c', consumerDataSet: [{ groupName: 'g', subscriptionDataSet: [{}] }] }, 'topic'],
  ])('refuses %j, and says where', (body, text) => {
    expect(() => decodeHeartbeat(request(body))).toThrow(malformed(text));
  });

  test('takes names and lists up to their bounds, and no further', () => {
    const groups = (count: number) => new Array(count).fill({ groupName: 'g' });
    const topics = (count: number) => [{ groupName: 'g', subscriptionDataSet: new Array(count).fill({ topic: 'T' }) }];
    const bounds: [(size: number) => object, number, string][] = [
      [(size) => ({ clientID: 'c'.repeat(size) }), clientIdLengthMax, 'clientID'],
      [(size) => ({ producerDataSet: groups(size) }), heartbeatGroupCountMax, 'producerDataSet'],
      [(size) => ({ consumerDataSet: groups(size) }), heartbeatGroupCountMax, 'consumerDataSet'],
      [(size) => ({ consumerDataSet: topics(size) }), subscriptionCountMax, 'subscriptionDataSet'],
      [(size) => ({ producerDataSet: [{ groupName: 'g'.repeat(size) }] }), 255, 'groupName'],
    ];
    for (const [make, most, field] of bounds) {
      expect(decodeHeartbeat(request({ clientID: 'c', ...make(most) })).clientId).toMatch(/^c/);
      expect(() => decodeHeartbeat(request({ clientID: 'c', ...make(most + 1) }))).toThrow(malformed(field));
    }
  });
});
