import { expect, test } from 'vitest';
import { notifyConsumerIdsChanged } from '../../../src/remoting/requests/notify-consumer-ids-changed.ts';
import { capturedCommand } from '../../support/captured-command.ts';

test.each(['4.9.7', '5.5.0'])('is the notice that a broker %s sends', (version) => {
  const captured = capturedCommand(`notify-consumer-ids-changed-${version}`);
  const values = notifyConsumerIdsChanged.decode(captured);
  expect(values).toEqual({ consumerGroup: 'GID_fixture' });
  expect(notifyConsumerIdsChanged.encode(values)).toEqual({ code: captured.code, extFields: captured.extFields });
});
