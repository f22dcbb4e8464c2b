import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Answer, Command } from '../../src/remoting/command.ts';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import { decodeProperties } from '../../src/remoting/message-properties.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { checkTransaction } from '../../src/remoting/requests/check-transaction.ts';
import { endTransaction, TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { pushReplyMessage } from '../../src/remoting/requests/push-reply-message.ts';
import { recallMessage } from '../../src/remoting/requests/recall-message.ts';
import type { SendMessageReply } from '../../src/remoting/requests/send-message.ts';
import { sendReplyMessage } from '../../src/remoting/requests/send-reply-message.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { decodeStoredMessages } from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { sendFields } from '../support/engine-client.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';
import { Wire } from './wire.ts';

const { SUCCESS, SYSTEM_ERROR, MESSAGE_ILLEGAL } = ResponseCode;
const { COMMIT, ROLLBACK } = TransactionOutcome;

describeOnTarget('delays, transactions and replies on the wire', () => {
  let target: Target;
  let wire: Wire;
  /** Clients beside it. */
  const others: Wire[] = [];

  beforeAll(async () => {
    target = await startTarget({
      transactionTimeoutMs: 1_000,
      transactionCheckIntervalMs: 500,
      apache: { recallMessageEnable: true },
    });
    wire = await Wire.connect(target.brokerAddress);
  });

  afterAll(async () => {
    for (const one of [wire, ...others]) one?.close();
    await target?.stop();
  });

  async function topicOf(name: string): Promise<string> {
    await target.createTopic(name, { queueCount: 1 });
    return name;
  }

  async function connect(answer?: (request: Command) => Answer | undefined): Promise<Wire> {
    const other = await Wire.connect(target.brokerAddress, answer);
    others.push(other);
    return other;
  }

  test.concurrent('a delay by level, by time, by seconds and by milliseconds ends, and never early', async () => {
    const topic = await topicOf('delays');
    const nowMs = Date.now();
    const delays = {
      level: { DELAY: '1' },
      time: { TIMER_DELIVER_MS: String(nowMs + 1_500) },
      seconds: { TIMER_DELAY_SEC: '2' },
      milliseconds: { TIMER_DELAY_MS: '1200' },
      past: { TIMER_DELIVER_MS: String(nowMs - 1_000) },
    };
    const dueMs = { level: 1_000, time: 1_500, seconds: 2_000, milliseconds: 1_200, past: -1_000 };
    for (const [body, properties] of Object.entries(delays)) {
      const reply = await wire.send(topic, body, { properties });
      // Where it will be is not known yet; which queue it is for is.
      expect(reply.queueId).toBe(0);
    }
    await wire.holds(topic, 5);
    const { messages } = await wire.pull(topic);
    const stored = new Map(messages.map((message) => [message.body.toString(), message]));
    for (const [body, delayMs] of Object.entries(dueMs)) {
      expect(stored.get(body)?.storeTimestampMs, body).toBeGreaterThanOrEqual(nowMs + delayMs);
      expect(stored.get(body)).toMatchObject({ topic, queueId: 0 });
    }
    expect(messages[0]?.body.toString()).toBe('past');
  });

  test.concurrent('a time too far away is refused', async () => {
    const topic = await topicOf('too-far');
    const fourDays = String(Date.now() + 4 * 86_400_000);
    const sent = wire.send(topic, 'never', { properties: { TIMER_DELIVER_MS: fourDays } });
    await expect(sent).rejects.toMatchObject({ code: MESSAGE_ILLEGAL });
  });

  test.concurrent('a message that waits for its time can be recalled by its handle', async () => {
    const topic = await topicOf('recalled');
    const deliverMs = String(Date.now() + 2_500);
    const send = (id: string) =>
      wire.send(topic, id, { properties: { UNIQ_KEY: `ID-${id}`, TIMER_DELIVER_MS: deliverMs } });
    const [recalled] = [await send('recalled'), await send('clock')];
    expect((await wire.send(topic, 'now')).recallHandle).toBeUndefined();
    const { recallHandle } = recalled;
    if (recallHandle === undefined) throw new Error('there is no handle');
    const [version, handleTopic, brokerName, , messageId] = Buffer.from(recallHandle, 'base64url')
      .toString()
      .split(' ');
    expect([version, handleTopic, brokerName, messageId]).toEqual(['v1', topic, target.brokerName, 'ID-recalled']);
    const fields = { producerGroup: 'p', topic, recallHandle };
    expect(await wire.ask(recallMessage, fields)).toEqual({ messageId: 'ID-recalled' });
    expect(await wire.code(recallMessage, { ...fields, recallHandle: 'no handle' })).not.toBe(SUCCESS);
    expect(await wire.code(recallMessage, { ...fields, topic: await topicOf('recalled-other') })).not.toBe(SUCCESS);
    // Both were for the same moment.
    await wire.holds(topic, 2);
    expect((await wire.pull(topic)).bodies).toEqual(['now', 'clock']);
  });

  const half = (topic: string, id: string, more: Readonly<Record<string, string>> = {}) =>
    wire.send(topic, id, {
      producerGroup: `p-${topic}`,
      sysFlag: SysFlag.TRANSACTION_PREPARED,
      // Nobody is asked for transactions of days ago.
      bornTimestampMs: Date.now(),
      properties: { TRAN_MSG: 'true', PGROUP: `p-${topic}`, UNIQ_KEY: `ID-${id}`, ...more },
    });

  const endOf = (topic: string, { messageId, queueOffset, transactionId }: SendMessageReply) => ({
    producerGroup: `p-${topic}`,
    transactionStateTableOffset: queueOffset,
    commitLogOffset: decodeOffsetMessageId(messageId).commitLogOffset,
    messageId: transactionId,
    transactionId,
    fromTransactionCheck: false,
  });

  test.concurrent('a half message is seen after its commit, and not after its rollback', async () => {
    const topic = await topicOf('halves');
    const [committed, rolledBack] = [await half(topic, 'committed', { TAGS: 't' }), await half(topic, 'rolled back')];
    expect(committed).toMatchObject({ queueId: 0, transactionId: 'ID-committed' });
    await wire.send(topic, 'plain');
    await wire.holds(topic, 1);
    const code = (sent: SendMessageReply, outcome: TransactionOutcome, more = {}) =>
      wire.code(endTransaction, { ...endOf(topic, sent), outcome, ...more });
    expect(await code(committed, COMMIT, { producerGroup: 'p-foreign' })).toBe(SYSTEM_ERROR);
    expect(await code(rolledBack, ROLLBACK)).toBe(SUCCESS);
    expect(await code(committed, COMMIT)).toBe(SUCCESS);
    await wire.holds(topic, 2);
    const { messages, bodies } = await wire.pull(topic);
    expect(bodies).toEqual(['plain', 'committed']);
    expect(messages[1]).toMatchObject({ topic, queueId: 0, queueOffset: 1n });
    expect((messages[1]?.sysFlag ?? 0) & SysFlag.TRANSACTION_MASK).toBe(SysFlag.TRANSACTION_COMMIT);
    expect(Object.fromEntries(messages[1]?.properties ?? [])).toMatchObject({ UNIQ_KEY: 'ID-committed', TAGS: 't' });
    expect(messages[1]?.properties.has('TRAN_MSG')).toBe(true);
  });

  test.concurrent('a transaction ends once: what ends it again delivers nothing more', async () => {
    const topic = await topicOf('ended-twice');
    const [committed, rolledBack] = [await half(topic, 'committed'), await half(topic, 'rolled back')];
    const end = (sent: SendMessageReply, outcome: TransactionOutcome) =>
      wire.code(endTransaction, { ...endOf(topic, sent), outcome });
    await end(committed, COMMIT);
    await end(rolledBack, ROLLBACK);
    await end(committed, COMMIT);
    await end(rolledBack, COMMIT);
    await wire.send(topic, 'last');
    const count = differs('endedTwice', { apache: 4, embedded: 2 });
    await wire.holds(topic, count);
    const copies = { apache: ['committed', 'committed', 'rolled back', 'last'], embedded: ['committed', 'last'] };
    expect((await wire.pull(topic)).bodies).toEqual(differs('endedTwice', copies));
  });

  test.concurrent('a producer of the group is asked for a transaction that nobody ended, and its word counts', async () => {
    const topic = await topicOf('asked');
    const producer = await connect();
    await producer.heartbeat({ clientId: 'asked', producerGroups: [`p-${topic}`] });
    const sentAtMs = Date.now();
    await half(topic, 'asked for', { own: 'value' });
    const request = await producer.askedFor(RequestCode.CHECK_TRANSACTION_STATE);
    expect(Date.now()).toBeGreaterThanOrEqual(sentAtMs + 1_000);
    const asked = checkTransaction.decode(request);
    expect(asked).toMatchObject({ messageId: 'ID-asked for', transactionId: 'ID-asked for' });
    const [message] = decodeStoredMessages(request.body);
    expect(message?.topic).toBe(topic);
    expect(message?.body.toString()).toBe('asked for');
    expect(message?.properties.get('own')).toBe('value');
    const { transactionStateTableOffset, commitLogOffset, messageId, transactionId } = asked;
    const code = await producer.code(endTransaction, {
      producerGroup: `p-${topic}`,
      transactionStateTableOffset,
      commitLogOffset,
      messageId,
      transactionId,
      fromTransactionCheck: true,
      outcome: COMMIT,
    });
    expect(code).toBe(SUCCESS);
    await wire.holds(topic, 1);
    expect((await wire.pull(topic)).bodies).toEqual(['asked for']);
  });

  test.concurrent('a reply goes to the client that asked for it, and is acknowledged when that has it', async () => {
    const topic = `${target.clusterName}_REPLY_TOPIC`;
    const requester = await connect((request) =>
      request.code === RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT ? pushReplyMessage.answer({}) : undefined,
    );
    await requester.heartbeat({ clientId: 'requester', producerGroups: ['p-requester'] });
    const defaults = { defaultTopic: 'TBW102', defaultTopicQueueCount: 4 };
    const properties = { CORRELATION_ID: 'c-1', REPLY_TO_CLIENT: 'requester', MSG_TYPE: 'reply', UNIQ_KEY: 'ID-reply' };
    const fields = sendFields(topic, { properties, ...defaults });
    const reply = await wire.ask(sendReplyMessage, fields, Buffer.from('the reply'));
    expect(reply).toMatchObject({ queueId: 0 });
    const pushed = await requester.askedFor(RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT);
    const values = pushReplyMessage.decode(pushed);
    expect(values).toMatchObject({ topic, producerGroup: 'producers' });
    expect(pushed.body.toString()).toBe('the reply');
    expect(Object.fromEntries(decodeProperties(values.properties ?? ''))).toMatchObject(properties);
    const nobody = sendFields(topic, { ...defaults, properties: { ...properties, REPLY_TO_CLIENT: 'nobody' } });
    expect(await wire.code(sendReplyMessage, nobody, Buffer.from('x'))).toBe(SYSTEM_ERROR);
  });

  test.concurrent('delays of many do not hold each other up', async () => {
    const topic = await topicOf('many');
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        wire.send(topic, String(index), { properties: { TIMER_DELAY_MS: '1000' } }),
      ),
    );
    await wire.holds(topic, 50);
    const { bodies } = await wire.pull(topic);
    const more = await wire.pull(topic, { offset: bodies.length });
    expect(new Set([...bodies, ...more.bodies]).size).toBe(50);
  });
});
