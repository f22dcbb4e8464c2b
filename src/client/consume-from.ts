/**
 * Where a group begins that is new to a topic: at the first message that each queue still has, at the end of each queue when the
 * consumer is created, or at the first message that was stored at or after a time (ms since 1970).
 */
export type ConsumeFrom =
  | { readonly kind: 'first' }
  | { readonly kind: 'last' }
  | { readonly kind: 'timestamp'; readonly timestampMs: number };

/** What official clients do unless they are told otherwise. */
export const consumeFromDefault: ConsumeFrom = { kind: 'last' };
