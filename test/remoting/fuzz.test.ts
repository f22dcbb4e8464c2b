import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Command, CommandFlag, newExtFields, Serialization } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { decompressBody } from '../../src/remoting/compression.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { readJson } from '../../src/remoting/json.ts';
import { decodeBatch, encodeBatch } from '../../src/remoting/message-batch.ts';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import { decodeProperties } from '../../src/remoting/message-properties.ts';
import { decodePopReceipt, popReceipts, popReconsumeTimes } from '../../src/remoting/pop-receipt.ts';
import { decodeRoute } from '../../src/remoting/requests/get-route.ts';
import { popMessage } from '../../src/remoting/requests/pop-message.ts';
import {
  bodyCrcOf,
  decodeStoredMessages,
  encodeStoredMessage,
  type StoredMessage,
} from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { fixture } from '../fixtures/fixture.ts';
import { encodeCommand } from '../support/encoded-command.ts';
import { Mutator } from '../support/mutator.ts';

/** Another seed makes other inputs: change it to search, then keep what it finds as a test of its own. */
const seed = 20_260_101;
const roundsPerDecoder = 12_500;
/** One input must not hold up a server; generous, for machines that do other things too. */
const inputDurationMaxMs = 500;
const heapGrowthBytesMax = 32 * 1_048_576;

const collectGarbage = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const records = ['one', 'two', ''].map((text, flag) => ({
  flag,
  body: Buffer.from(text),
  properties: new Map([
    ['TAGS', 'TagA'],
    ['UNIQ_KEY', `0A010203${flag}`],
  ]),
}));
const batch = encodeBatch(records);

function stored(change: Partial<StoredMessage>): StoredMessage {
  const body = change.body ?? Buffer.from('hello, 世界');
  return {
    topic: 'TopicTest',
    queueId: 2,
    queueOffset: 105n,
    commitLogOffset: 9_876_543_210n,
    flag: 7,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_123,
    bornHost: '10.1.2.3:54321',
    storeTimestampMs: 1_700_000_000_456,
    storeHost: '127.0.0.1:10911',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0n,
    body,
    bodyCrc: bodyCrcOf(body),
    properties: new Map([
      ['TAGS', 'TagA'],
      ['POP_CK', '100 1700000000000 60000 3 1 broker-a 2 105'],
    ]),
    ...change,
  };
}

const innerBatch = stored({ sysFlag: SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH, body: batch, bodyCrc: 0 });
const messageLists = [
  encodeStoredMessage(stored({})),
  encodeStoredMessage(stored({ bodyCrc: 0, bornHost: '[2001:db8::5]:1', storeHost: '[::1]:10911' })),
  encodeStoredMessage(stored({ topic: `%RETRY%${'g'.repeat(120)}_topic` })),
  encodeStoredMessage(innerBatch),
  Buffer.concat([stored({}), innerBatch, stored({ queueOffset: 106n })].map(encodeStoredMessage)),
];

const popCommand: Command = {
  code: 0,
  opaque: 7,
  flag: CommandFlag.RESPONSE,
  version: 479,
  remark: 'FOUND',
  extFields: Object.assign(newExtFields(), {
    popTime: '1700000000000',
    invisibleTime: '60000',
    reviveQid: '3',
    restNum: '0',
    startOffsetInfo: '0 2 100;1 2 100',
    msgOffsetInfo: '0 2 105,106;1 2 105',
    orderCountInfo: '0 2 1;0 qo2%105 4',
  }),
  body: Buffer.concat(messageLists),
};
const frames = [Serialization.JSON, Serialization.ROCKETMQ].map((each) =>
  Buffer.concat(encodeCommand(popCommand, each)),
);

const jsonTexts = [
  '{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:10911",1:"[::1]:1"},"brokerName":"broker-a","cluster":"c"}],' +
    '"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"writeQueueNums":4}],"orderTopicConf":"a:1"}',
  '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"t"}:3},"x":[1,-2.5e3,null,true,"\\u0041\\n"],"__proto__":{}}',
  `${'['.repeat(200)}{"a":${'{"b":'.repeat(50)}`,
].map((text) => Buffer.from(text));

const texts = (values: readonly string[]): readonly Buffer[] => values.map((value) => Buffer.from(value, 'latin1'));

/** What a client does with the reply to a POP, from frame to receipt. */
function readPopReply(command: Command): void {
  const reply = popMessage.decodeReply({ ...command, code: 0 }, '127.0.0.1:10911');
  const messages = decodeStoredMessages(command.body, () => undefined);
  popReconsumeTimes(reply, messages, popReceipts(reply, 'broker-a', messages));
}

interface Target {
  readonly name: string;
  readonly samples: readonly Buffer[];
  readonly decode: (bytes: Buffer, mutator: Mutator) => void;
}

const targets: readonly Target[] = [
  { name: 'decodeStoredMessages', samples: messageLists, decode: (bytes) => decodeStoredMessages(bytes) },
  {
    name: 'decodeStoredMessages that leaves out damaged ones',
    samples: messageLists,
    decode: (bytes) => decodeStoredMessages(bytes, () => undefined),
  },
  { name: 'decodeBatch', samples: [batch, Buffer.concat([batch, batch])], decode: (bytes) => decodeBatch(bytes) },
  {
    name: 'decodeProperties',
    samples: texts(['a\u0001b\u0002', 'TAGS\u0001TagA\u0002KEYS\u0001k1 k2\u0002UNIQ_KEY\u00010A01\u0002']),
    decode: (bytes) => decodeProperties(bytes.toString()),
  },
  {
    name: 'decodePopReceipt',
    samples: texts(['100 1700000000000 60000 3 0 broker-a 2 105', '0 1 -1 0 2 b 0 9223372036854775807']),
    decode: (bytes) => decodePopReceipt(bytes.toString('latin1')),
  },
  {
    name: 'decodeOffsetMessageId',
    samples: texts(['7F00000100002A9F000000024CB016EA', '20010DB800000000000000000000000500002A9F000000024CB016EA']),
    decode: (bytes) => decodeOffsetMessageId(bytes.toString('latin1')),
  },
  {
    name: 'FrameDecoder, decodeCommand and the reply to a POP',
    samples: [...frames, Buffer.concat(frames), fixture('pop-5.5.0'), fixture('pop-redelivery-5.5.0')],
    decode: (bytes, mutator) => {
      const decoder = new FrameDecoder(1_048_576);
      const cut = mutator.below(bytes.length + 1);
      for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        for (const frame of decoder.push(chunk)) readPopReply(decodeCommand(frame));
      }
    },
  },
  {
    name: 'readJson and decodeRoute',
    samples: jsonTexts,
    decode: (bytes) => {
      readJson(bytes);
      decodeRoute({ ...popCommand, body: bytes });
    },
  },
];

/** Runs one input: how long it took, and whether it was refused. */
function run(
  target: Target,
  bytes: Buffer,
  mutator: Mutator,
): { readonly durationMs: number; readonly refused: boolean } {
  const start = performance.now();
  let refused = false;
  try {
    target.decode(bytes, mutator);
  } catch (cause) {
    if (!(cause instanceof RemotingError) || cause.kind !== 'malformed') {
      throw new Error(`${target.name} failed on ${bytes.toString('hex')}`, { cause });
    }
    refused = true;
  }
  return { durationMs: performance.now() - start, refused };
}

describe('decoders take any bytes', () => {
  let inputCount = 0;
  let usedBefore = 0;

  beforeAll(() => {
    usedBefore = usedBytes();
  });

  afterAll(() => {
    expect(inputCount).toBeGreaterThanOrEqual(100_000);
    expect(usedBytes() - usedBefore).toBeLessThan(heapGrowthBytesMax);
  });

  test.each(targets)('$name: a RemotingError or a result, soon', { timeout: 60_000 }, (target) => {
    const mutator = new Mutator(seed);
    for (const sample of target.samples.slice(0, -1)) run(target, sample, mutator);
    let refusedCount = 0;
    let slowestMs = 0;
    for (let round = 0; round < roundsPerDecoder; round += 1) {
      const { durationMs, refused } = run(target, mutator.mutate(target.samples), mutator);
      slowestMs = Math.max(slowestMs, durationMs);
      refusedCount += refused ? 1 : 0;
      inputCount += 1;
    }
    expect(slowestMs).toBeLessThan(inputDurationMaxMs);
    // Inputs that all fail at the first byte, or never, would search nothing.
    if (target.name !== 'decodeProperties') expect(refusedCount).toBeGreaterThan(roundsPerDecoder / 10);
    expect(refusedCount).toBeLessThan(roundsPerDecoder);
  });

  test('decompressBody: a RemotingError or a body within the limit, soon', { timeout: 60_000 }, async () => {
    const mutator = new Mutator(seed);
    const samples = [deflateSync('zip '.repeat(1000)), deflateSync(Buffer.alloc(2_000_000)), deflateSync('')];
    const sysFlag = SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB;
    for (let round = 0; round < 2_000; round += 1) {
      const body = mutator.mutate(samples);
      inputCount += 1;
      try {
        expect((await decompressBody(stored({ body, sysFlag }), 65_536)).length).toBeLessThanOrEqual(65_536);
      } catch (cause) {
        if (!(cause instanceof RemotingError)) throw new Error(`failed on ${body.toString('hex')}`, { cause });
      }
    }
  });
});
