/** A producer that is held: by a proxy, or in direct mode by this client. */
export interface LiveProducer {
  /** Empty where it stands for access keys that its maker brought along, and the proxy has no tokens to tell callers apart. */
  producerId: string;
  /** Without its namespace. */
  topic: string;
  /** When it was made, in ms since 1970. */
  createdTimestamp: number;
  /** When a call last named it, in ms since 1970. */
  lastUsedTimestamp: number;
}

/** A consumer that is held: by a proxy, or in direct mode by this client. */
export interface LiveConsumer {
  /** As `producerId` of a producer. */
  consumerId: string;
  /** Without their namespace. */
  topic: string;
  groupId: string;
  /** When it was made, in ms since 1970. */
  createdTimestamp: number;
  /** When a call last named it, in ms since 1970. */
  lastUsedTimestamp: number;
  /** Streams of messages that are open. */
  streamCount: number;
  /** Messages that these streams have delivered and that are not yet acknowledged. */
  inFlightCount: number;
}

/** Which producers are meant. */
export interface ProducerFilter {
  /** Default: of all topics. */
  readonly topic?: string | undefined;
}

/** Which consumers are meant. */
export interface ConsumerFilter extends ProducerFilter {
  /** Default: of all groups. */
  readonly groupId?: string | undefined;
}

/** How far a group is behind in a topic, as its brokers know it, and who is in it. Numbers are exact up to 2^53. */
export interface ConsumerLag {
  /**
   * Messages that the group is not done with, in all queues. What brokers have handed out by POP they count as done; those of RocketMQ count
   * it again while it waits in a retry topic to come again.
   */
  lag: number;
  /** By broker name and queue id; before them those of the group's retry topics, where these ever had a message. */
  queues: QueueLag[];
  members: GroupMember[];
}

/** How far a group is in one queue. */
export interface QueueLag {
  brokerName: string;
  queueId: number;
  /** Of the next message to be stored. */
  maxOffset: number;
  /** The group is done with all before it; undefined: it has not begun. Brokers of 4.x say 0 of a young queue in which it has not begun. */
  committedOffset: number | undefined;
  /** All messages of the queue where the group has not begun. */
  lag: number;
  /** Whether it is a queue of a retry topic, where messages are that come again; by pull also those of the group's other topics. */
  retry: boolean;
}

/** A client that is connected to a broker as a consumer of a group; one that receives by POP is there from its next heartbeat on, up to 30 s later. */
export interface GroupMember {
  clientId: string;
  /** Such as JAVA, GO, NODE_JS. */
  language: string;
}
