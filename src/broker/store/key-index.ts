/** Room of a new index; it doubles. */
const firstEntryCount = 256;
const noEntry = -1;

/**
 * Finds the records of one segment by the hash of a key: chains in a hash table, newest first. Twelve bytes for each key and four to eight
 * for its bucket.
 */
export class KeyIndex {
  #count = 0;
  #hashes = new Int32Array(0);
  #positions = new Uint32Array(0);
  /** The entry before with the same bucket. */
  #previous = new Int32Array(0);
  /** The newest entry of each bucket. */
  #newest = new Int32Array(0);

  get indexBytes(): number {
    return this.#hashes.byteLength + this.#positions.byteLength + this.#previous.byteLength + this.#newest.byteLength;
  }

  /** @param position Where the record starts in its segment. */
  add(hash: number, position: number): void {
    if (this.#count === this.#hashes.length) this.#resize(Math.max(firstEntryCount, 2 * this.#count));
    this.#hashes[this.#count] = hash;
    this.#positions[this.#count] = position;
    this.#link(this.#count);
    this.#count += 1;
  }

  /** Positions of the records with a key of this hash, the one that was added last first. */
  *find(hash: number): Iterable<number> {
    let entry = this.#newest[this.#bucket(hash)] ?? noEntry;
    while (entry !== noEntry) {
      if (this.#hashes[entry] === hash) yield this.#positions[entry] ?? 0;
      entry = this.#previous[entry] ?? noEntry;
    }
  }

  /** Gives back the room that is not used: nothing more will be added, or little. */
  trim(): void {
    if (this.#count < this.#hashes.length) this.#resize(this.#count);
  }

  #bucket(hash: number): number {
    // The lower bits of the hash differ least for keys that differ in their last character only.
    return (Math.imul(hash, 0x9e37_79b1) >>> 7) % this.#newest.length;
  }

  #link(entry: number): void {
    const bucket = this.#bucket(this.#hashes[entry] ?? 0);
    this.#previous[entry] = this.#newest[bucket] ?? noEntry;
    this.#newest[bucket] = entry;
  }

  #resize(entryCount: number): void {
    const hashes = new Int32Array(entryCount);
    hashes.set(this.#hashes.subarray(0, this.#count));
    const positions = new Uint32Array(entryCount);
    positions.set(this.#positions.subarray(0, this.#count));
    this.#hashes = hashes;
    this.#positions = positions;
    this.#previous = new Int32Array(entryCount);
    this.#newest = new Int32Array(entryCount).fill(noEntry);
    for (let entry = 0; entry < this.#count; entry += 1) this.#link(entry);
  }
}
