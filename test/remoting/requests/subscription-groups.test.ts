import { expect, test } from 'vitest';
import { readJson } from '../../../src/remoting/json.ts';
import {
  decodeGroupSettings,
  decodeGroupSettingsList,
  decodeGroupSettingsTable,
  deleteSubscriptionGroup,
  encodeGroupSettings,
  encodeGroupSettingsTable,
  getAllSubscriptionGroups,
  groupListCountMax,
  updateSubscriptionGroup,
  updateSubscriptionGroups,
} from '../../../src/remoting/requests/subscription-groups.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** Of a real broker 5.5.0. */
const captured = capturedCommand('subscription-group-5.5.0');
const group = {
  name: 'GID_fixture',
  consumeEnable: true,
  consumeFromMinEnable: true,
  consumeBroadcastEnable: true,
  consumeMessageOrderly: false,
  retryQueueCount: 1,
  retryMaxTimes: 16,
  notifyConsumerIdsChanged: true,
  attributes: {},
};

function command(text: string) {
  return { ...blankCommand, body: Buffer.from(text) };
}

test('have the codes and the fields that Java writes', () => {
  const codes = [updateSubscriptionGroup, getAllSubscriptionGroups, updateSubscriptionGroups].map(({ code }) => code);
  expect(codes).toEqual([200, 201, 225]);
  expect(deleteSubscriptionGroup.encode({ groupName: 'g', cleanOffset: true, removeOffset: false })).toEqual({
    code: 207,
    extFields: { groupName: 'g', cleanOffset: 'true', removeOffset: 'false' },
  });
});

test('settings are read and written as a real broker 5.5.0 writes them', () => {
  expect(decodeGroupSettings(captured)).toEqual(group);
  expect(encodeGroupSettings(group).toString()).toBe(captured.body.toString());
  expect(readJson(encodeGroupSettingsTable([group], { counter: 1, timestampMs: 2 }))).toEqual({
    dataVersion: { counter: 1, stateVersion: 0, timestamp: 2 },
    forbiddenTable: {},
    subscriptionGroupTable: { GID_fixture: readJson(captured.body) },
  });
});

test('what is left out is as Java has it, and what is said is taken', () => {
  expect(decodeGroupSettings(command('{"groupName":"GID_fixture"}'))).toEqual(group);
  const other = {
    name: 'g',
    consumeEnable: false,
    consumeFromMinEnable: false,
    consumeBroadcastEnable: false,
    consumeMessageOrderly: true,
    retryQueueCount: 2,
    retryMaxTimes: -1,
    notifyConsumerIdsChanged: false,
    attributes: { a: 'b' },
  };
  expect(decodeGroupSettings({ ...blankCommand, body: encodeGroupSettings(other) })).toEqual(other);
});

test.each(['[]', '{}', '{"groupName":""}', '{"groupName":1}', '{"groupName":"g","retryMaxTimes":1.5}'])(
  'refuses %s',
  (text) => {
    expect(() => decodeGroupSettings(command(text))).toThrow(expect.objectContaining({ kind: 'malformed' }));
    expect(() => decodeGroupSettingsList(command(`{"groupConfigList":[${text}]}`))).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
  },
);

test('a list has as many groups as its limit says', () => {
  const list = (count: number) => command(`{"groupConfigList":[${Array(count).fill('{"groupName":"g"}').join(',')}]}`);
  expect(decodeGroupSettingsList(list(groupListCountMax))).toHaveLength(groupListCountMax);
  expect(() => decodeGroupSettingsList(list(groupListCountMax + 1))).toThrow('at most');
});

test('a table is read again, also that of a broker 4.x, which does not count', () => {
  const body = encodeGroupSettingsTable([group, { ...group, name: 'other' }], { counter: 1, timestampMs: 2 });
  expect(decodeGroupSettingsTable({ ...blankCommand, body }, 'h:1')).toEqual([group, { ...group, name: 'other' }]);
  expect(decodeGroupSettingsTable(command('{}'), 'h:1')).toEqual([]);
  expect(() => decodeGroupSettingsTable(command('{"subscriptionGroupTable":{"g":1}}'), 'h:1')).toThrow('not an object');
  expect(() => decodeGroupSettingsTable({ ...blankCommand, code: 1 }, 'h:1')).toThrow(
    expect.objectContaining({ code: 1 }),
  );
});
