import { expect, test } from 'vitest';
import { decodeBrokerNames, getClusterInfo } from '../../../src/remoting/requests/get-cluster-info.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('GET_BROKER_CLUSTER_INFO has its code and no fields', () => {
  expect(getClusterInfo.encode({})).toEqual({ code: 106, extFields: {} });
});

test.each(['cluster-info-4.9.7', 'cluster-info-5.5.0'])('reads %s of a real name server', (name) => {
  const reply = capturedCommand(name);
  expect(getClusterInfo.decodeReply(reply, 'h:1')).toEqual({});
  expect(decodeBrokerNames(reply)).toEqual(['broker-a']);
});

test('reads a cluster without brokers', () => {
  const body = Buffer.from('{"brokerAddrTable":{},"clusterAddrTable":{}}');
  expect(decodeBrokerNames({ ...blankCommand, body })).toEqual([]);
});

test.each(['', '[]', '{}', '{"brokerAddrTable":[]}', '{"brokerAddrTable":null}'])('refuses %j', (text) => {
  expect(() => decodeBrokerNames({ ...blankCommand, body: Buffer.from(text) })).toThrow(
    expect.objectContaining({ name: 'RemotingError', kind: 'malformed' }),
  );
});
