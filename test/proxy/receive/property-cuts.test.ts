import { expect, it } from 'vitest';
import { type Cut, PropertyCuts } from '../../../src/proxy/receive/property-cuts.ts';
import { ProtoReader } from '../../../src/wire/proto-reader.ts';
import { ProtoWriter } from '../../../src/wire/proto-writer.ts';

const mapTag = 0x2a;

/** What is read of stored properties: the map that is shown, and what was sought. */
function read(text: string, cuts = new PropertyCuts()) {
  const bytes = Buffer.from(text);
  cuts.read(bytes);
  const writer = new ProtoWriter();
  cuts.writeShown(writer, mapTag);
  const reader = new ProtoReader(writer.written());
  const shown: Record<string, string> = {};
  while (reader.tag() === mapTag) reader.mapEntry(shown);
  const textOf = ({ start, end }: Cut): string => bytes.toString('utf8', start, end);
  return { shown, uniqKey: textOf(cuts.uniqKey), tag: textOf(cuts.tag), originId: textOf(cuts.originId) };
}

const nothing = { shown: {}, uniqKey: '', tag: '', originId: '' };

it('shows what is the sender’s, and of RocketMQ’s own what receivers may see', () => {
  expect(
    read(
      'a\x01b\x02UNIQ_KEY\x01ID\x02TAGS\x01t\x02WAIT\x01true\x02ORIGIN_MESSAGE_ID\x01O\x02__RMQ.TRANSIENT.x\x01y\x02KEYS\x01k',
    ),
  ).toEqual({ shown: { a: 'b', UNIQ_KEY: 'ID', TAGS: 't', KEYS: 'k' }, uniqKey: 'ID', tag: 't', originId: 'O' });
});

it('lets the last of one name win, and drops what has no name or no value', () => {
  expect(read('TAGS\x011\x02a\x011\x02TAGS\x012\x02a\x012\x02TAGS\x01\x02\x01x\x02b\x02c\x01\x02')).toEqual({
    ...nothing,
    shown: { TAGS: '2', a: '2' },
    tag: '2',
  });
});

it('lets only the first separator end a name', () => {
  expect(read('a\x01b\x01c\x02').shown).toEqual({ a: 'b\x01c' });
});

it('keeps nothing of the message before', () => {
  const cuts = new PropertyCuts();
  read('a\x01b\x02UNIQ_KEY\x01ID\x02TAGS\x01t\x02ORIGIN_MESSAGE_ID\x01O\x02', cuts);
  expect(read('', cuts)).toEqual(nothing);
  expect(read('c\x01d\x02', cuts)).toEqual({ ...nothing, shown: { c: 'd' } });
});
