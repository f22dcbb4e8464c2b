import type { Channel } from '../../remoting/channel.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { delayLevelsMs, MessageProperty, type MessageQueue } from '../../remoting/message.ts';
import { encodeProperties } from '../../remoting/message-properties.ts';
import { sendMessage } from '../../remoting/requests/send-message.ts';
import { deadLetterDelayLevel, sendMessageBack } from '../../remoting/requests/send-message-back.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';
import { defaultTopic, retryTopic } from '../../remoting/topic-names.ts';
import { offsetMessageId } from '../received-message.ts';
import type { PulledMessage } from './process-queue.ts';
import type { PullParts } from './pull-options.ts';
import { channelOf } from './pull-requests.ts';

/** The same as official clients send with; the broker picks a queue. */
const anyQueue = -1;
const autoCreatedQueueCount = 1;
/** Never reached: whether a message is dead was decided before it was sent. */
const never = 2_147_483_647;
/** Longest wait for one of the ways by which a message may go back, in ms. */
const attemptTimeoutMs = 2_000;

/** What of a message belongs to one delivery of it and must not be sent along (Java `DefaultMQPushConsumerImpl.sendMessageBackAsNormalMessage`). */
const deliveryProperties: ReadonlySet<string> = new Set([
  MessageProperty.DELAY,
  MessageProperty.TIMER_DELIVER_MS,
  MessageProperty.TIMER_DELAY_MS,
  MessageProperty.TIMER_DELAY_SEC,
  MessageProperty.TRAN_MSG,
  MessageProperty.REAL_TOPIC,
  MessageProperty.REAL_QUEUE_ID,
  MessageProperty.POP_CK,
  MessageProperty.RECONSUME_TIME,
  MessageProperty.MAX_RECONSUME_TIMES,
]);

/** The delay level that lasts at least that long, or the longest there is; 0 for no delay. */
export function delayLevelOf(delayMs: number): number {
  if (delayMs <= 0) return 0;
  const index = delayLevelsMs.findIndex((levelMs) => levelMs >= delayMs);
  return index < 0 ? delayLevelsMs.length : index + 1;
}

/** Gives messages of one group back to brokers, which deliver them again by the group's retry topic, or bury them. */
export class SendBack {
  readonly #parts: PullParts;
  readonly #group: string;
  readonly #reconsumeTimesMax: number | undefined;

  /** @param reconsumeTimesMax redeliveries after which a message is dead; undefined: what brokers say of the group. */
  constructor(parts: PullParts, group: string, reconsumeTimesMax?: number) {
    this.#parts = parts;
    this.#group = group;
    this.#reconsumeTimesMax = reconsumeTimesMax;
  }

  /**
   * One more try of a message, after the delay, or the dead letter queue where it had all of its tries. A message that cannot go one
   * way goes the other.
   * @throws the failure of the last way, when the message did not go back.
   */
  async retry(queue: MessageQueue, message: PulledMessage, delayMs: number, deadline: Deadline): Promise<void> {
    const channel = await channelOf(this.#parts.cluster, queue, deadline);
    const reconsumeTimesMax = await this.#reconsumeTimesMaxAt(channel, deadline);
    const { reconsumeTimes } = message.stored;
    const level = delayLevelOf(delayMs);
    if (reconsumeTimes >= reconsumeTimesMax) return this.#sendBack(message, deadLetterDelayLevel, channel, deadline);
    // Brokers give nothing back without a delay, but they take a message for the retry topic like any other.
    const back = (delayLevel: number): Promise<void> => this.#sendBack(message, delayLevel, channel, deadline);
    const send = (): Promise<void> => this.#send(message, reconsumeTimes + 1, level, { channel, queue }, deadline);
    if (level === 0) await send().catch(() => back(1));
    else await back(level).catch(send);
  }

  /** The message comes again after the delay, to somebody else if possible, and this does not count as a try. @throws as a request fails. */
  async postpone(queue: MessageQueue, message: PulledMessage, delayMs: number, deadline: Deadline): Promise<void> {
    const channel = await channelOf(this.#parts.cluster, queue, deadline);
    await this.#send(message, message.stored.reconsumeTimes, delayLevelOf(delayMs), { channel, queue }, deadline);
  }

  /** Gives a message up. @throws as a request fails. */
  async bury(queue: MessageQueue, message: PulledMessage, deadline: Deadline): Promise<void> {
    const channel = await channelOf(this.#parts.cluster, queue, deadline);
    await this.#sendBack(message, deadLetterDelayLevel, channel, deadline);
  }

  /** Redeliveries after which a message of a queue is dead. @throws as a request fails. */
  async reconsumeTimesMax(queue: MessageQueue, deadline: Deadline): Promise<number> {
    return (
      this.#reconsumeTimesMax ??
      this.#reconsumeTimesMaxAt(await channelOf(this.#parts.cluster, queue, deadline), deadline)
    );
  }

  async #reconsumeTimesMaxAt(channel: Channel, deadline: Deadline): Promise<number> {
    return this.#reconsumeTimesMax ?? this.#parts.groups.retryMaxTimes(this.#group, channel, deadline);
  }

  async #sendBack(message: PulledMessage, delayLevel: number, channel: Channel, deadline: Deadline): Promise<void> {
    const { stored, topic } = message;
    const request = sendMessageBack.encode({
      offset: stored.commitLogOffset,
      group: this.#group,
      delayLevel,
      originMessageId: stored.properties.get(MessageProperty.UNIQ_KEY) ?? offsetMessageId(stored),
      originTopic: topic,
      maxReconsumeTimes: never,
    });
    sendMessageBack.decodeReply(await channel.invoke(request, deadline.atMost(attemptTimeoutMs)), channel.address);
  }

  async #send(
    { stored, topic }: PulledMessage,
    reconsumeTimes: number,
    delayLevel: number,
    { channel, queue }: { readonly channel: Channel; readonly queue: MessageQueue },
    deadline: Deadline,
  ): Promise<void> {
    const properties = [...stored.properties].filter(([name]) => !deliveryProperties.has(name));
    const first = new Map([
      [MessageProperty.RETRY_TOPIC, topic],
      [MessageProperty.ORIGIN_MESSAGE_ID, offsetMessageId(stored)],
    ]);
    const delay: [string, string][] = delayLevel === 0 ? [] : [[MessageProperty.DELAY, String(delayLevel)]];
    const request = sendMessage.encode(
      {
        producerGroup: this.#group,
        topic: retryTopic(this.#group),
        defaultTopic,
        defaultTopicQueueCount: autoCreatedQueueCount,
        queueId: anyQueue,
        sysFlag: stored.sysFlag & (SysFlag.COMPRESSED | SysFlag.COMPRESSION_TYPE_MASK),
        bornTimestampMs: stored.bornTimestampMs,
        flag: stored.flag,
        properties: encodeProperties([...new Map([...first, ...properties, ...delay])]),
        reconsumeTimes,
        unitMode: false,
        maxReconsumeTimes: never,
        batch: false,
        brokerName: queue.brokerName,
      },
      stored.body,
    );
    sendMessage.decodeReply(await channel.invoke(request, deadline.atMost(attemptTimeoutMs)), channel.address);
  }
}
