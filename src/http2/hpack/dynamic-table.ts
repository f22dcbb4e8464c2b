import type { HeaderField } from './header-field.ts';

/** What an entry counts beyond its octets (RFC 7541, section 4.1). */
const entryOverheadBytes = 32;
/** Entries that have gone are cleared away when there are this many, and no fewer than are left. */
const goneCountMax = 32;

const gone: HeaderField = { name: '', value: '' };

/** What an entry counts against the size of a table, and a field against the size of a header list (RFC 9113, section 6.5.2). */
export function fieldBytes({ name, value }: HeaderField): number {
  return name.length + value.length + entryOverheadBytes;
}

/** A dynamic table (RFC 7541, section 2.3.2): first in, first out. */
export class DynamicTable {
  readonly #evicted: (field: HeaderField) => void;
  /** The oldest first; those before `#firstPlace` have gone. */
  readonly #fields: HeaderField[] = [];
  #firstPlace = 0;
  #bytes = 0;
  #bytesMax: number;

  /** @param evicted hears of every entry that goes. */
  constructor(bytesMax: number, evicted: (field: HeaderField) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#evicted = evicted;
  }

  /** Entries that it holds. */
  get count(): number {
    return this.#fields.length - this.#firstPlace;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The field of an index: 0 is the newest. Undefined behind the oldest. */
  at(index: number): HeaderField | undefined {
    return index < this.count ? this.#fields[this.#fields.length - 1 - index] : undefined;
  }

  /** Adds a field as the newest; one that is larger than the whole table only empties it (RFC 7541, section 4.4). */
  add(field: HeaderField): void {
    const bytes = fieldBytes(field);
    this.#evictTo(this.#bytesMax - bytes);
    if (bytes > this.#bytesMax) return;
    this.#fields.push(field);
    this.#bytes += bytes;
  }

  /** Makes the table larger or smaller. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #evictTo(bytesMax: number): void {
    while (this.#bytes > bytesMax && this.count > 0) {
      const oldest = this.#fields[this.#firstPlace] ?? gone;
      this.#fields[this.#firstPlace] = gone;
      this.#firstPlace += 1;
      this.#bytes -= fieldBytes(oldest);
      this.#evicted(oldest);
    }
    if (this.#firstPlace >= goneCountMax && this.#firstPlace >= this.count) {
      this.#fields.splice(0, this.#firstPlace);
      this.#firstPlace = 0;
    }
  }
}
