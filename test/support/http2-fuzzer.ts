import { Flag, FrameType } from '../../src/http2/frame.ts';
import { SettingId } from '../../src/http2/settings.ts';
import {
  block,
  data,
  headers,
  openRequest,
  ping,
  postFields,
  reset,
  setting,
  settingsAck,
  uint32,
  windowUpdate,
} from './http2-frames.ts';
import { Mutator } from './mutator.ts';
import { frame, preface } from './raw-http2.ts';

/** How many of a hundred frames break a rule on purpose. */
const brokenPercent = 4;

/** What one client says, frame by frame: mostly what it may, sometimes anything; the same for the same seed. */
export class Http2Fuzzer {
  readonly #mutator: Mutator;
  #nextId = 1;
  readonly #openIds: number[] = [];

  constructor(seed: number) {
    this.#mutator = new Mutator(seed);
  }

  /** What comes first. */
  greeting(): Buffer {
    this.#nextId = 1;
    this.#openIds.length = 0;
    return Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0), settingsAck]);
  }

  /** Something in the middle of what `count` frames are, cut anywhere. */
  chunks(count: number): Buffer[] {
    const bytes = Buffer.concat(Array.from({ length: count }, () => this.#frame()));
    const cut = this.#mutator.below(bytes.length + 1);
    return [bytes.subarray(0, cut), bytes.subarray(cut)];
  }

  /** Whether a client leaves without a word now. */
  leaves(): boolean {
    return this.#mutator.below(50) === 0;
  }

  #frame(): Buffer {
    const valid = this.#valid();
    if (this.#mutator.below(100) >= brokenPercent) return valid;
    return this.#mutator.below(2) === 0 ? this.#mutator.mutate([valid]) : this.#nonsense();
  }

  #valid(): Buffer {
    const mutator = this.#mutator;
    switch (mutator.below(14)) {
      case 0:
      case 1:
      case 2:
        return openRequest(this.#open());
      case 3:
        return headers(this.#open(false), [...postFields, ['x-count', String(mutator.below(5))]]);
      case 4:
        return this.#cutHeaders();
      case 5:
        return this.#withStream((id) => data(id, Buffer.alloc(mutator.below(3_000)), 0));
      case 6:
        return this.#withStream((id) => data(this.#end(id), Buffer.alloc(mutator.below(20)), Flag.END_STREAM));
      case 7:
        return this.#withStream((id) => this.#padded(id));
      case 8:
        return this.#withStream((id) => headers(this.#end(id), [['x-sum', 'a']]));
      case 9:
        return this.#withStream((id) => reset(this.#end(id), mutator.below(16)));
      case 10:
        return this.#withStream((id) => windowUpdate(mutator.below(2) === 0 ? 0 : id, 1 + mutator.below(100_000)));
      case 11:
        return setting(SettingId.INITIAL_WINDOW_SIZE, mutator.below(100_000));
      case 12:
        return setting(mutator.below(8), mutator.pick([0, 1, 100, 16_384, 65_535]));
      default:
        return mutator.pick([ping(mutator.below(256)), frame(mutator.below(256), 0, 0, Buffer.alloc(8))]);
    }
  }

  /** A frame of any type, flags, stream and size. */
  #nonsense(): Buffer {
    const mutator = this.#mutator;
    const payload = Buffer.from(Array.from({ length: mutator.below(30) }, () => mutator.below(256)));
    const streamId = mutator.pick([0, 1, 2, this.#nextId - 2, this.#nextId, this.#nextId + 20, 2 ** 31 - 1]);
    return frame(mutator.below(11), mutator.below(256), Math.max(0, streamId), payload);
  }

  #open(goesOn = true): number {
    const id = this.#nextId;
    this.#nextId += 2;
    if (goesOn) this.#openIds.push(id);
    return id;
  }

  #withStream(make: (id: number) => Buffer): Buffer {
    return this.#openIds.length === 0 ? openRequest(this.#open()) : make(this.#mutator.pick(this.#openIds));
  }

  #end(id: number): number {
    this.#openIds.splice(this.#openIds.indexOf(id), 1);
    return id;
  }

  #padded(id: number): Buffer {
    const padding = this.#mutator.below(20);
    const payload = Buffer.concat([Buffer.from([padding]), Buffer.from('body'), Buffer.alloc(padding)]);
    return frame(FrameType.DATA, Flag.PADDED, id, payload);
  }

  #cutHeaders(): Buffer {
    const id = this.#open();
    const fields = block([...postFields, ['x-id', String(id)]]);
    const cut = this.#mutator.below(fields.length);
    const priority = Buffer.concat([uint32(0), Buffer.from([16])]);
    return Buffer.concat([
      frame(FrameType.HEADERS, Flag.PRIORITY, id, Buffer.concat([priority, fields.subarray(0, cut)])),
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, id, fields.subarray(cut)),
    ]);
  }
}
