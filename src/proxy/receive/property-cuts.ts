import { isShownProperty } from '../../client/shown-properties.ts';
import { MessageProperty } from '../../remoting/message.ts';
import type { ProtoWriter } from '../../wire/proto-writer.ts';

const nameEnd = 0x01;
const valueEnd = 0x02;
/** Tags of a `map<string, string>`'s entries. */
const keyTag = 0x0a;
const valueTag = 0x12;

/** What begins so is hidden, whatever follows. */
const transientPrefix = Buffer.from('__RMQ.TRANSIENT.');

/** Where a value stands; it ends where `start` is. */
export interface Cut {
  start: number;
  end: number;
}

/**
 * Reads properties as they are stored, by the rules of `decodeProperties` and `shownProperties`, without making strings or objects of them:
 * what is shown is copied from the stored bytes into the map of a protobuf message. Good for any number of messages, one after the other.
 */
export class PropertyCuts {
  /** Of the last message: the value of `UNIQ_KEY`, `TAGS`, and of the id of where it lay first; empty where it has none. */
  readonly uniqKey: Cut = { start: 0, end: 0 };
  readonly tag: Cut = { start: 0, end: 0 };
  readonly originId: Cut = { start: 0, end: 0 };
  /** Of what is shown: where the name begins and ends, and where the value ends; the value begins one behind the name's end. */
  readonly #shown: number[] = [];
  #shownCount = 0;
  /** RocketMQ's own names, by their hashes. */
  readonly #special = new Map<number, readonly Special[]>();
  #bytes: Uint8Array = new Uint8Array();

  constructor() {
    const cuts = new Map<string, Cut>([
      [MessageProperty.UNIQ_KEY, this.uniqKey],
      [MessageProperty.TAGS, this.tag],
      [MessageProperty.ORIGIN_MESSAGE_ID, this.originId],
    ]);
    for (const name of Object.values(MessageProperty)) {
      const special = { name: Buffer.from(name), isHidden: !isShownProperty(name), cut: cuts.get(name) };
      const hash = hashOf(special.name);
      this.#special.set(hash, [...(this.#special.get(hash) ?? []), special]);
    }
  }

  /** @param bytes UTF-8. */
  read(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#shownCount = 0;
    clear(this.uniqKey);
    clear(this.tag);
    clear(this.originId);
    const { length } = bytes;
    let [start, split, hash] = [0, -1, 0];
    for (let at = 0; at <= length; at += 1) {
      const byte = at < length ? (bytes[at] ?? 0) : valueEnd;
      if (byte === valueEnd) {
        // Without a name or a value it is none.
        if (split > start && split < at - 1) this.#pair(start, split, at, hash);
        start = at + 1;
        split = -1;
        hash = 0;
      } else if (split < 0) {
        if (byte === nameEnd) split = at;
        else hash = (Math.imul(hash, 31) + byte) | 0;
      }
    }
  }

  /** Writes what is shown as entries of a map. Of one name that comes twice readers take the last, as brokers do. */
  writeShown(writer: ProtoWriter, tag: number): void {
    const bytes = this.#bytes;
    for (let index = 0; index < this.#shownCount; index += 3) {
      const split = this.#shown[index + 1] ?? 0;
      const entry = writer.begin(tag);
      writer.part(keyTag, bytes, this.#shown[index] ?? 0, split);
      writer.part(valueTag, bytes, split + 1, this.#shown[index + 2] ?? 0);
      writer.end(entry);
    }
  }

  #pair(start: number, split: number, end: number, hash: number): void {
    const special = this.#specialOf(start, split, hash);
    if (special?.cut !== undefined) {
      special.cut.start = split + 1;
      special.cut.end = end;
    }
    if (special?.isHidden ?? isAt(transientPrefix, this.#bytes, start, split)) return;
    const shown = this.#shown;
    const at = this.#shownCount;
    shown[at] = start;
    shown[at + 1] = split;
    shown[at + 2] = end;
    this.#shownCount = at + 3;
  }

  #specialOf(start: number, split: number, hash: number): Special | undefined {
    for (const special of this.#special.get(hash) ?? none) {
      if (special.name.length === split - start && isAt(special.name, this.#bytes, start, split)) return special;
    }
    return undefined;
  }
}

interface Special {
  readonly name: Uint8Array;
  readonly isHidden: boolean;
  /** Where its value is noted, if it is sought. */
  readonly cut: Cut | undefined;
}

const none: readonly Special[] = [];

function clear(cut: Cut): void {
  cut.start = 0;
  cut.end = 0;
}

/** Whether the bytes from `start` on, up to `end` at most, begin so. */
function isAt(wanted: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < wanted.length) return false;
  for (let index = 0; index < wanted.length; index += 1) if (bytes[start + index] !== wanted[index]) return false;
  return true;
}

function hashOf(name: Uint8Array): number {
  return name.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0);
}
