import { expect, test } from 'vitest';
import {
  decodeBrokerNames,
  decodeBrokers,
  encodeClusterInfo,
  getClusterInfo,
} from '../../../src/remoting/requests/get-cluster-info.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('GET_BROKER_CLUSTER_INFO has its code and no fields', () => {
  expect(getClusterInfo.encode({})).toEqual({ code: 106, extFields: {} });
});

test.each(['cluster-info-4.9.7', 'cluster-info-5.5.0'])('reads %s of a real name server', (name) => {
  const reply = capturedCommand(name);
  expect(getClusterInfo.decodeReply(reply, 'h:1')).toEqual({});
  expect(decodeBrokerNames(reply)).toEqual(['broker-a']);
  expect(decodeBrokers(reply)).toEqual([
    {
      brokerName: 'broker-a',
      cluster: 'DefaultCluster',
      addresses: new Map([[0, expect.stringMatching(/^127\.0\.0\.1:\d+$/)]]),
    },
  ]);
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

test('writes what a real name server 5.5.0 writes', () => {
  const body = capturedCommand('cluster-info-5.5.0').body.toString();
  const address = /127\.0\.0\.1:\d+/.exec(body)?.[0] ?? '';
  const broker = { brokerName: 'broker-a', cluster: 'DefaultCluster', addresses: new Map([[0, address]]) };
  expect(encodeClusterInfo([broker]).toString()).toBe(body);
});

test('writes which brokers are in which cluster', () => {
  const broker = (brokerName: string, cluster: string) => ({ brokerName, cluster, addresses: new Map([[0, 'h:1']]) });
  const body = encodeClusterInfo([broker('a', 'one'), broker('b', 'two'), broker('c', 'one')]);
  expect(decodeBrokerNames({ ...blankCommand, body })).toEqual(['a', 'b', 'c']);
  expect(body.toString()).toMatch(/"clusterAddrTable":\{"one":\["a","c"\],"two":\["b"\]\}\}$/);
});

test('refuses a broker that is none', () => {
  const body = Buffer.from('{"brokerAddrTable":{"broker-a":5}}');
  expect(() => decodeBrokers({ ...blankCommand, body })).toThrow('brokerAddrTable');
});
