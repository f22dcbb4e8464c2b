import { createHash } from 'node:crypto';
import { invalid } from '../rpc/failures.ts';
import { SealError, type SealedKind, type Sealer } from '../session/seal.ts';
import type { ProducerSpec } from '../session/session-specs.ts';

/** What a producer is given to use later. */
export type ProducerHandleKind = Extract<SealedKind, 'transaction' | 'recall'>;

const bindingLength = 12;

/**
 * Handles that producers get, sealed, since what is in them are names and places of brokers. Each is bound to the endpoint, credentials, topic
 * and token of the producer that got it: any producer of the same may use it, on every instance that has the key.
 */
export class ProducerHandles {
  readonly #sealer: Sealer;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  seal(kind: ProducerHandleKind, spec: ProducerSpec, payload: string): string {
    return this.#sealer.seal(kind, Buffer.from(bindingOf(spec) + payload));
  }

  /** @throws ConnectError INVALID_ARGUMENT, whose text is the same for a handle that is forged, altered, or of another producer. */
  open(kind: ProducerHandleKind, spec: ProducerSpec, handle: string): string {
    const field = `${kind}_handle`;
    if (handle === '') throw invalid(`${field} is empty: pass the one that the send has returned`);
    const text = this.#unseal(kind, handle);
    if (text?.slice(0, bindingLength) === bindingOf(spec)) return text.slice(bindingLength);
    throw invalid(
      `${field} was not issued by this service to a producer of this endpoint, topic and caller, or was altered: use it exactly as it was returned`,
    );
  }

  #unseal(kind: ProducerHandleKind, handle: string): string | undefined {
    try {
      return this.#sealer.open(kind, handle).toString();
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  }
}

function bindingOf({ endpoint, accessKeyId, topic, owner }: ProducerSpec): string {
  const text = JSON.stringify([endpoint, accessKeyId, topic, owner]);
  return createHash('sha256').update(text).digest('base64url').slice(0, bindingLength);
}
