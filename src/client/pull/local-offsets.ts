import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { integer, listOfObjects, requiredText } from '../../remoting/body-fields.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { readJsonObject } from '../../remoting/json.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ConsumeFrom } from '../consume-from.ts';
import { ClientError } from '../errors.ts';
import { startOffset } from '../start-offsets.ts';
import type { Offsets } from './offsets.ts';
import { channelOf, queueKey } from './pull-requests.ts';

/** Most queues in one file: as many as a client may read. */
const queueCountMax = 65_536;

/** Where it is kept how far a group has got: at the brokers (`Offsets`), or here. */
export type OffsetStore = Pick<Offsets, 'first' | 'store' | 'move' | 'forget'>;

export interface LocalOffsetsOptions {
  readonly cluster: Cluster;
  readonly group: string;
  /** Where to begin in a queue of which nothing is known. */
  readonly from: ConsumeFrom;
  /** Folder of the files, made where it is missing; undefined: only memory, so that each start begins anew. */
  readonly directory: string | undefined;
  /** Tells this member from others that use the folder; the same at each start, else it finds nothing. */
  readonly clientId: string;
}

interface Place {
  readonly queue: MessageQueue;
  readonly offset: bigint;
}

/**
 * How far this client has got in a group whose members all get everything (broadcasting): brokers keep no offsets of those. One JSON file
 * for each client id and group, replaced in one step, so that a crash leaves the old one or the new one.
 */
export class LocalOffsets implements OffsetStore {
  readonly #options: LocalOffsetsOptions;
  readonly #places: Map<string, Place>;
  #isChanged = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(options: LocalOffsetsOptions, places: readonly Place[]) {
    this.#options = options;
    this.#places = new Map(places.map((place) => [queueKey(place.queue), place]));
  }

  /** Reads the file, where there is one. @throws ClientError `invalid`, naming the file, when it cannot be read or makes no sense. */
  static async open(options: LocalOffsetsOptions): Promise<LocalOffsets> {
    const path = pathOf(options);
    return new LocalOffsets(options, path === undefined ? [] : await readPlaces(path));
  }

  /** What is remembered of a queue. */
  known(queue: MessageQueue): bigint | undefined {
    return this.#places.get(queueKey(queue))?.offset;
  }

  async first(queue: MessageQueue, deadline: Deadline): Promise<bigint> {
    const known = this.known(queue);
    if (known !== undefined) return known;
    const { cluster, group, from } = this.#options;
    const channel = await channelOf(cluster, queue, deadline);
    return startOffset({ ...queue, consumerGroup: group }, channel, deadline, from);
  }

  /** Remembers progress, which never goes back; `save` writes it. */
  async store(queue: MessageQueue, offset: bigint): Promise<void> {
    const known = this.known(queue);
    if (known === undefined || offset > known) await this.move(queue, offset);
  }

  /** Remembers a place, also one further back; `save` writes it. */
  async move(queue: MessageQueue, offset: bigint): Promise<void> {
    const { topic, brokerName, queueId } = queue;
    this.#places.set(queueKey(queue), { queue: { topic, brokerName, queueId }, offset });
    this.#isChanged = true;
  }

  /** Nobody else moves on in it, so what is known stays true. */
  forget(): void {}

  /** Writes what has changed; one write at a time. @throws Error of the file system. */
  save(): Promise<void> {
    const saved = this.#saving.then(() => this.#save());
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #save(): Promise<void> {
    const path = pathOf(this.#options);
    if (path === undefined || !this.#isChanged) return;
    this.#isChanged = false;
    const offsets = Array.from(this.#places.values(), ({ queue, offset }) => ({ ...queue, offset: String(offset) }));
    try {
      await writeInOneStep(path, JSON.stringify({ offsets }));
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}

function pathOf({ directory, clientId, group }: LocalOffsetsOptions): string | undefined {
  if (directory === undefined) return undefined;
  return join(directory, fileName(clientId), `${fileName(group)}.json`);
}

/** A name that is a file's on every system, and different for different texts. */
function fileName(text: string): string {
  return encodeURIComponent(text).replace(/[*.]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function readPlaces(path: string): Promise<readonly Place[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new ClientError('invalid', `the offsets in ${path} cannot be read: look at the file's rights`, error);
  });
  if (bytes === undefined) return [];
  try {
    return listOfObjects(readJsonObject(bytes, path), 'offsets', queueCountMax).map((row) => ({
      queue: {
        topic: requiredText(row, 'topic'),
        brokerName: requiredText(row, 'brokerName'),
        queueId: integer(row, 'queueId', 0),
      },
      offset: BigInt(requiredText(row, 'offset')),
    }));
  } catch (error) {
    const advice = 'move it away to begin where a new member begins';
    throw new ClientError('invalid', `the offsets in ${path} make no sense: ${advice}`, error);
  }
}

async function writeInOneStep(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.new`;
  const file = await open(partial, 'w');
  try {
    await file.writeFile(text);
    // Else a loss of power may leave the new name on an empty file.
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}
