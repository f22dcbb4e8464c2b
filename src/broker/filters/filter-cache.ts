import { createFilter, type MessageFilter } from './message-filter.ts';

/** Most filters that are kept. */
const filterCountMax = 1_024;

/** Filters by what subscriptions say, since each poll says it again and making one costs a hundred times what using it does. */
export class FilterCache {
  readonly #filters = new Map<string, MessageFilter>();

  /** As `createFilter`. @throws FilterError */
  get(expressionType: string | undefined, expression: string | undefined): MessageFilter {
    const key = `${expressionType ?? ''} ${expression ?? ''}`;
    const known = this.#filters.get(key);
    if (known !== undefined) return known;
    const filter = createFilter(expressionType, expression);
    const [oldest] = this.#filters.keys();
    if (this.#filters.size >= filterCountMax && oldest !== undefined) this.#filters.delete(oldest);
    this.#filters.set(key, filter);
    return filter;
  }
}
