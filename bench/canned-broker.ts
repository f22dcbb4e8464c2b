/**
 * A name server and broker in one that stores nothing: each send is answered at once with the same words, so that what a proxy costs can
 * be seen without what a broker does. Prints where it is.
 */
import { type AddressInfo, createServer } from 'node:net';
import type { Answer, Command } from '../src/remoting/command.ts';
import { RequestCode } from '../src/remoting/request-code.ts';
import { ResponseCode } from '../src/remoting/response-code.ts';
import { ServerConnection, serverConnectionDefaults } from '../src/remoting/server-connection.ts';

const queueCount = 8;
const messageId = '7F0000010000000000000000';
let address = '';

const server = createServer({ noDelay: true }, (socket) => {
  new ServerConnection(socket, 'client', 'here', { ...serverConnectionDefaults, onRequest, onMistake: console.error });
});
server.listen(0, '127.0.0.1', () => {
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  console.log(JSON.stringify({ nameServer: address }));
});

function onRequest({ code, extFields }: Command): Answer {
  switch (code) {
    case RequestCode.GET_ROUTEINFO_BY_TOPIC:
      return { code: ResponseCode.SUCCESS, body: Buffer.from(JSON.stringify(route())) };
    case RequestCode.SEND_MESSAGE:
    case RequestCode.SEND_MESSAGE_V2:
    case RequestCode.SEND_BATCH_MESSAGE:
      return { code: ResponseCode.SUCCESS, extFields: sent(extFields['e'] ?? '0') };
    default:
      return { code: ResponseCode.SUCCESS };
  }
}

function sent(queueId: string): Readonly<Record<string, string>> {
  return { msgId: messageId, queueId, queueOffset: '0' };
}

function route() {
  return {
    queueDatas: [
      { brokerName: 'canned', readQueueNums: queueCount, writeQueueNums: queueCount, perm: 6, topicSysFlag: 0 },
    ],
    brokerDatas: [{ brokerName: 'canned', cluster: 'canned', brokerAddrs: { '0': address } }],
  };
}
