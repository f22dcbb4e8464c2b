import { expect, test } from 'vitest';
import {
  pubRecord,
  subAfterRecord,
  subBeforeRecord,
  TracedKind,
  TracedReturn,
} from '../../../src/client/trace/trace-format.ts';

const traced = { messageId: 'ID', keys: 'one  two', group: 'g', timestampMs: 5 };
const sent = {
  ...traced,
  region: 'R',
  topic: 'T',
  tag: 'tag',
  storeHost: 'h:1',
  bodyLength: 3,
  durationMs: 7,
  kind: TracedKind.DELAYED,
  offsetMessageId: 'OFFSET',
  success: true,
};
/** With `|` for what ends a value, and a line for a record. */
const shown = (text: string): string => text.replaceAll('\u0001', '|').replaceAll('\u0002', '\n');

test('records have the fields of Java, in its order', () => {
  const pub = pubRecord(sent);
  expect(shown(pub.text)).toBe('Pub|5|R|g|T|ID|tag|one  two|h:1|3|7|3|OFFSET|true\n');
  expect(pub.keys).toEqual(['ID', 'one', 'two']);
  const before = subBeforeRecord({ ...traced, region: 'R', requestId: 'Q', reconsumeTimes: 2 });
  expect(shown(before.text)).toBe('SubBefore|5|R|g|Q|ID|2|one  two\n');
  const after = { ...traced, requestId: 'Q', durationMs: 9, success: false, returned: TracedReturn.FAILED };
  expect(shown(subAfterRecord(after).text)).toBe('SubAfter|Q|ID|9|false|one  two|4|5|g\n');
});

test('what is missing is null, as with Java, whose readers fail on records that end in nothing', () => {
  const bare = { ...traced, keys: undefined };
  const before = subBeforeRecord({ ...bare, region: 'R', requestId: 'Q', reconsumeTimes: 0 });
  expect(shown(before.text)).toBe('SubBefore|5|R|g|Q|ID|0|null\n');
  expect(before.keys).toEqual(['ID']);
  expect(shown(pubRecord({ ...sent, tag: undefined, keys: '' }).text)).toContain('|ID|null|null|h:1|');
});

test('no value makes up records', () => {
  const { text } = pubRecord({ ...sent, tag: 'a\u0002Pub\u0001b' });
  expect(shown(text)).toContain('|ID|a Pub b|one');
});
