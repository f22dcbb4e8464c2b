import type { Log } from '../log.ts';
import type { Json } from '../remoting/json.ts';
import { createMessageIds, createOffsetMessageIds } from '../remoting/message-id.ts';
import { isSystemTopic } from '../remoting/topic-names.ts';
import { type Checkpoint, CheckpointFile } from './checkpoint.ts';
import { Clients } from './clients.ts';
import { ConsumerOffsets } from './consumer-offsets.ts';
import { DelayedMessages } from './delayed-messages.ts';
import type { Engine } from './engine.ts';
import { FilterCache } from './filters/filter-cache.ts';
import { Groups } from './groups.ts';
import { HalfMessages } from './half-messages.ts';
import { HeldRequests } from './held-requests.ts';
import type { BrokerOptions } from './options.ts';
import { PopQueues } from './pop/pop-queues.ts';
import { QueueLocks } from './queue-locks.ts';
import { RequestModes } from './request-modes.ts';
import { StateLog } from './state-log.ts';
import { Statistics } from './statistics.ts';
import type { LogEntry, MessageStore } from './store/message-store.ts';
import { openMessageStore } from './store/open-store.ts';
import { newTopic, Topics } from './topics.ts';

/** An engine that runs, and the way to end it. */
export interface RunningEngine {
  readonly engine: Engine;
  /** Answers what is held, writes everything out, lets go of files and timers. */
  close(): Promise<void>;
}

/**
 * Brings the state of the last run back and starts what runs on time.
 * @param storeHost `ip:port` that records name as their broker.
 */
export async function startEngine(
  options: BrokerOptions,
  storeHost: string,
  brokerAddress: Engine['brokerAddress'],
): Promise<RunningEngine> {
  const parts = createParts(options);
  const { state, held, delayed, halves, pops, clients } = parts;
  const file = options.dataDirectory === undefined ? undefined : new CheckpointFile(options.dataDirectory, options.log);
  const recovery = new Recovery(parts, file?.load(), options.log);
  let savedPosition = file === undefined ? Number.POSITIVE_INFINITY : recovery.position;
  // Of the checkpoint before the last, which stands in where the last is damaged. That of another run is not known.
  let previousPosition = file === undefined ? Number.POSITIVE_INFINITY : 0;
  const store = await openMessageStore({
    ...storeOptions(options),
    storeHost,
    retainFrom: () => Math.min(previousPosition, delayed.oldestOffset(), halves.oldestOffset()),
    onHeld: (startOffset, endOffset) => void setImmediate(() => delayed.moveOn(startOffset, endOffset)),
    onEntry: (entry, opened) => {
      recovery.take(entry, opened);
      delayed.onEntry(entry);
      halves.onEntry(entry);
      if (recovery.ended) held.wake(entry.topic);
    },
  });
  recovery.end(store);
  const saveCheckpoint = (): void => {
    if (file === undefined) return;
    const position = store.maxCommitLogOffset;
    file.save({ position, state: state.snapshot(), queues: [...nextOffsets(store)] });
    previousPosition = savedPosition;
    savedPosition = position;
  };
  if (file !== undefined) state.attach(store, saveCheckpoint);
  const engine: Engine = {
    ...parts,
    options,
    store,
    startedMs: options.clock.now(),
    brokerAddress,
    offsetMessageId: createOffsetMessageIds(storeHost),
    newMessageId: createMessageIds(),
    put: (drafts) => store.append(drafts.map((draft) => delayed.route(draft))),
  };
  for (const part of [delayed, halves, pops]) part.start(engine);
  const saveNews = (): void => {
    if (store.maxCommitLogOffset !== savedPosition) saveCheckpoint();
  };
  // Where the log has lost its end, what comes now would stand before the checkpoint's position and be taken for a part of it.
  if (savedPosition > store.maxCommitLogOffset) attempt(saveCheckpoint, options.log);
  const timer = setInterval(() => attempt(saveNews, options.log), options.checkpointIntervalMs);
  const close = async (): Promise<void> => {
    clearInterval(timer);
    held.close();
    for (const part of [delayed, halves, pops, clients]) part.close();
    await state.settled();
    attempt(saveNews, options.log);
    await store.close();
  };
  return { engine, close };
}

type Parts = ReturnType<typeof createParts>;

function createParts(options: BrokerOptions) {
  const topics = new Topics({ ...options, autoCreate: options.autoCreateTopics });
  const groups = new Groups({ ...options, autoCreate: options.autoCreateGroups });
  const offsets = new ConsumerOffsets();
  const pops = new PopQueues();
  const requestModes = new RequestModes();
  const state = new StateLog([topics, groups, offsets, pops, requestModes]);
  return {
    topics,
    groups,
    offsets,
    pops,
    requestModes,
    state,
    held: new HeldRequests(options.heldRequestCountMax),
    clients: new Clients(groups),
    locks: new QueueLocks(),
    filters: new FilterCache(),
    statistics: new Statistics(options.clock),
    delayed: new DelayedMessages(options),
    halves: new HalfMessages(options),
  };
}

/** Makes the state of the last run from a checkpoint and the changes that the log has after it. */
class Recovery {
  readonly position: number;
  readonly #parts: Parts;
  readonly #checkpoint: Checkpoint | undefined;
  readonly #log: Log | undefined;
  #state: 'before the checkpoint' | 'behind it' | 'ended' = 'before the checkpoint';

  constructor(parts: Parts, checkpoint: Checkpoint | undefined, log: Log | undefined) {
    this.#parts = parts;
    this.#checkpoint = checkpoint;
    this.#log = log;
    this.position = checkpoint?.position ?? 0;
    if (checkpoint !== undefined) attempt(() => parts.state.restore(checkpoint.state), log);
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  take(entry: LogEntry, store: MessageStore): void {
    if (this.#state === 'ended' || entry.commitLogOffset < this.position) return;
    this.#passCheckpoint(store);
    attempt(() => this.#parts.state.replay(entry), this.#log);
  }

  end(store: MessageStore): void {
    this.#passCheckpoint(store);
    this.#state = 'ended';
    // After a power failure a group may have got further than what is left of the log: no offset is given twice.
    for (const { topic, queueId, offset } of this.#parts.offsets.all()) store.raiseMaxOffset(topic, queueId, offset);
    if (this.#checkpoint === undefined && store.minCommitLogOffset > 0) this.#makeTopics(store);
  }

  /** Where no checkpoint can be read and the log has lost its start: makes the topics whose messages are there, so that they can be read. */
  #makeTopics(store: MessageStore): void {
    const { topics } = this.#parts;
    const queueCounts = new Map<string, number>();
    for (const { topic, queueId } of store.queues()) {
      if (isSystemTopic(topic) || topics.get(topic) !== undefined) continue;
      queueCounts.set(topic, Math.max(queueCounts.get(topic) ?? 1, queueId + 1));
    }
    for (const [name, count] of queueCounts) topics.apply({ put: newTopic(name, count) as unknown as Json });
    this.#log?.error(
      { madeTopics: [...queueCounts.keys()].slice(0, 20), madeTopicCount: queueCounts.size },
      'no checkpoint can be read: settings of topics, groups and offsets may be lost, look at them',
    );
  }

  #passCheckpoint(store: MessageStore): void {
    if (this.#state !== 'before the checkpoint') return;
    this.#state = 'behind it';
    for (const [topic, queueId, next] of this.#checkpoint?.queues ?? []) store.raiseMaxOffset(topic, queueId, next);
  }
}

function* nextOffsets(store: MessageStore): Iterable<readonly [string, number, number]> {
  for (const { topic, queueId } of store.queues()) yield [topic, queueId, store.maxOffset(topic, queueId)];
}

/** What fails here costs time at the next start, or one change; no reason to end. */
function attempt(work: () => void, log: Log | undefined): void {
  try {
    work();
  } catch (error) {
    log?.error({ err: error }, 'the state of the engine could not be kept or read in part');
  }
}

/** Without what is unset: the store knows its defaults. */
function storeOptions({ retentionBytes, segmentBytes, log, dataDirectory, ...options }: BrokerOptions) {
  return {
    ...options,
    directory: dataDirectory,
    ...(retentionBytes === undefined ? {} : { retentionBytes }),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    ...(log === undefined ? {} : { log }),
  };
}
