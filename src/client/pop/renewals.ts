import type { InFlightMessage, InFlightMessages } from './in-flight-messages.ts';
import type { Settler } from './settler.ts';

export interface RenewalOptions {
  /** How long a receiver has for its ack, in ms. */
  readonly invisibleDurationMs: number;
  /** How long in all a live stream keeps a message invisible that is not acknowledged, in ms; 0: no longer than the above. */
  readonly renewalDurationMs: number;
}

/** The stream whose messages are renewed. */
export interface RenewedStream {
  readonly inFlight: InFlightMessages;
  /** Whether its reader is known not to have this one yet. */
  isUnread(message: InFlightMessage): boolean;
}

/**
 * Renews, each time that half of its invisible duration is over, what a stream has in flight and its reader has got.
 * @returns the function that stops it.
 */
export function startRenewals(stream: RenewedStream, settler: Settler, options: RenewalOptions): () => void {
  const { renewalDurationMs, invisibleDurationMs } = options;
  if (renewalDurationMs <= invisibleDurationMs) return () => {};
  const timer = setInterval(() => renewDue(stream, settler, options), invisibleDurationMs / 6);
  return () => clearInterval(timer);
}

function renewDue(stream: RenewedStream, settler: Settler, options: RenewalOptions): void {
  const { renewalDurationMs, invisibleDurationMs } = options;
  const nowMs = performance.now();
  for (const message of stream.inFlight.all) {
    const endMs = message.handedOutAtMs + renewalDurationMs;
    const isDue = message.visibleAtMs > nowMs && message.visibleAtMs - nowMs < invisibleDurationMs / 2;
    const isFree = message.busy === undefined && message.renewalLost === undefined && !message.isTimedByReader;
    if (isDue && isFree && !stream.isUnread(message) && endMs > message.visibleAtMs) {
      void settler.renew(message, Math.min(invisibleDurationMs, endMs - nowMs));
    }
  }
}
