import { expect, test } from 'vitest';
import { pollingInfo } from '../../../src/remoting/requests/polling-info.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('POLLING_INFO has the code and the fields of Java, both ways', () => {
  const fields = { consumerGroup: 'g', topic: 'T', queueId: -1 };
  const content = pollingInfo.encode(fields);
  expect(content).toEqual({ code: 200_055, extFields: { consumerGroup: 'g', topic: 'T', queueId: '-1' } });
  expect(pollingInfo.decode({ ...blankCommand, extFields: content.extFields })).toEqual(fields);
  expect(pollingInfo.answer({ pollCount: 3 })).toEqual({ code: 0, extFields: { pollingNum: '3' } });
  expect(pollingInfo.decodeReply({ ...blankCommand, extFields: { pollingNum: '3' } }, 'h:1')).toEqual({ pollCount: 3 });
});
