/**
 * The entries of a `map<string, string>` of a message, where they lie in it: for who wants their bytes, not strings. Both texts of each
 * are UTF-8; a name may come more than once, the last counts.
 */
export class TextMap {
  /** What the places are in; good for as long as the bytes of the message stay what they are. */
  readonly bytes: Buffer;
  /** Of each entry, in the order of their coming: where its name starts and ends, where its value starts and ends. */
  readonly places: number[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Of entries: a name that came twice counts twice. */
  get count(): number {
    return this.places.length / 4;
  }

  /** Of all names and values. */
  get textBytes(): number {
    let sum = 0;
    for (const [index, place] of this.places.entries()) sum += index % 2 === 0 ? -place : place;
    return sum;
  }

  /** As the message says it by strings. */
  toRecord(): { [key: string]: string } {
    const entries: [string, string][] = [];
    for (let at = 0; at < this.places.length; at += 4) entries.push([this.#text(at), this.#text(at + 2)]);
    return Object.fromEntries(entries);
  }

  #text(at: number): string {
    return this.bytes.toString('utf8', this.places[at], this.places[at + 1]);
  }
}
