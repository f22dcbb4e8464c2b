import { describe, expect, test } from 'vitest';
import { decodeRoute, encodeRoute, getRoute } from '../../../src/remoting/requests/get-route.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What `TopicRouteData.encode()` of Java writes for one route: 4.9.7 and 5.5.0, for old clients and in standard JSON. */
const javaBodies = {
  'of 4.9.7 with integer keys':
    '{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:10911",1:"[::1]:10921"},"brokerName":"broker-a","cluster":"DefaultCluster"}],' +
    '"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":4}]}',
  'of 5.5.0 with integer keys':
    '{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:10911",1:"[::1]:10921"},"brokerName":"broker-a","cluster":"DefaultCluster",' +
    '"enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,' +
    '"topicSysFlag":0,"writeQueueNums":4}]}',
  'of 5.5.0 in standard JSON':
    '{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911","1":"[::1]:10921"},"brokerName":"broker-a","cluster":"DefaultCluster",' +
    '"enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,' +
    '"topicSysFlag":0,"writeQueueNums":4}]}',
};

function decode(body: string) {
  return decodeRoute({ ...blankCommand, body: Buffer.from(body) });
}

test('GET_ROUTEINFO_BY_TOPIC has the code and the fields that Java writes', () => {
  expect(getRoute.encode({ topic: 'T', acceptStandardJsonOnly: true })).toEqual({
    code: 105,
    extFields: { acceptStandardJsonOnly: 'true', topic: 'T' },
  });
});

describe('decodeRoute', () => {
  test.each(Object.entries(javaBodies))('reads a route %s', (_, body) => {
    expect(decode(body)).toEqual({
      queues: [{ brokerName: 'broker-a', readQueueCount: 8, writeQueueCount: 4, permission: 6 }],
      brokers: [
        {
          brokerName: 'broker-a',
          cluster: 'DefaultCluster',
          addresses: new Map([
            [0, '127.0.0.1:10911'],
            [1, '[::1]:10921'],
          ]),
        },
      ],
      orderTopicConfiguration: '',
    });
  });

  test.each(['route-4.9.7', 'route-5.5.0', 'route-unquoted-4.9.7', 'route-unquoted-5.5.0'])(
    'reads %s of a real name server',
    (name) => {
      const reply = capturedCommand(name);
      expect(getRoute.decodeReply(reply, 'h:1')).toEqual({});
      const address = expect.stringMatching(/^127\.0\.0\.1:\d+$/);
      expect(decodeRoute(reply)).toEqual({
        queues: [{ brokerName: 'broker-a', readQueueCount: 4, writeQueueCount: 4, permission: 6 }],
        brokers: [{ brokerName: 'broker-a', cluster: 'DefaultCluster', addresses: new Map([[0, address]]) }],
        orderTopicConfiguration: '',
      });
    },
  );

  test.each(['route-unknown-4.9.7', 'route-unknown-5.5.0'])('has nothing to read in %s', (name) => {
    expect(() => getRoute.decodeReply(capturedCommand(name), 'h:1')).toThrow(expect.objectContaining({ code: 17 }));
  });

  test('reads the configuration of an order topic, and takes null and absence as none', () => {
    expect(decode('{"orderTopicConf":"broker-a:4;broker-b:4"}').orderTopicConfiguration).toBe('broker-a:4;broker-b:4');
    expect(decode('{"orderTopicConf":null,"queueDatas":null}')).toEqual({
      queues: [],
      brokers: [],
      orderTopicConfiguration: '',
    });
  });

  const queue = '{"brokerName":"b","perm":6,"readQueueNums":1,"writeQueueNums":1}';
  const broker = '{"brokerName":"b","brokerAddrs":{"0":"h:1"}}';
  test.each([
    ['', 'JSON'],
    ['[]', 'a route'],
    ['{"queueDatas":{}}', 'queueDatas'],
    ['{"queueDatas":[null]}', 'queueDatas'],
    [`{"queueDatas":[${queue.replace('"b"', '5')}]}`, 'brokerName'],
    [`{"queueDatas":[${queue.replace('Nums":1', 'Nums":-1')}]}`, 'readQueueNums'],
    [`{"queueDatas":[${queue.replace('writeQueueNums":1', 'writeQueueNums":4097')}]}`, 'writeQueueNums'],
    [`{"queueDatas":[${queue.replace('"perm":6', '"perm":"6"')}]}`, 'perm'],
    ['{"brokerDatas":[{"brokerName":"b"}]}', 'brokerAddrs'],
    [`{"brokerDatas":[${broker.replace('"h:1"', '1')}]}`, 'brokerAddrs'],
    [`{"brokerDatas":[${broker.replace('"0"', '"x"')}]}`, 'brokerAddrs'],
    [`{"brokerDatas":[${Array(1_025).fill(broker).join(',')}]}`, 'brokerDatas'],
    [`{"queueDatas":[${Array(1_025).fill(queue).join(',')}]}`, 'queueDatas'],
  ])('refuses %s', (body, named) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ kind: 'malformed', message: expect.stringContaining(named) }),
    );
  });

  test('takes as many brokers and queues as its limits say', () => {
    const route = decode(
      `{"brokerDatas":[${Array(1_024).fill(broker).join(',')}],"queueDatas":[${Array(1_024).fill(queue.replace('writeQueueNums":1', 'writeQueueNums":4096')).join(',')}]}`,
    );
    expect([route.brokers.length, route.queues.length, route.queues[0]?.writeQueueCount]).toEqual([
      1_024, 1_024, 4_096,
    ]);
  });
});

describe('encodeRoute', () => {
  test.each([
    ['route-5.5.0', true],
    ['route-unquoted-5.5.0', false],
  ])('writes %s as a real name server does', (name, standardJson) => {
    const reply = capturedCommand(name);
    expect(encodeRoute(decodeRoute(reply), standardJson).toString()).toBe(reply.body.toString());
  });

  test('writes the configuration of an order topic', () => {
    const route = { queues: [], brokers: [], orderTopicConfiguration: 'broker-a:4' };
    expect(decodeRoute({ ...blankCommand, body: encodeRoute(route, true) })).toEqual(route);
  });
});
