/** One message in the hands of its handlers. */
export interface Delivery {
  /** One with each change of its invisible duration; only the last is good. */
  readonly receiptHandles: string[];
  /** Whether a handler has acknowledged it or given it back. */
  isSettled: boolean;
}

/** Messages in the hands of handlers, by each of their receipt handles. */
export class Deliveries {
  readonly #byHandle = new Map<string, Delivery>();

  add(receiptHandle: string): Delivery {
    const delivery: Delivery = { receiptHandles: [receiptHandle], isSettled: false };
    this.#byHandle.set(receiptHandle, delivery);
    return delivery;
  }

  /** Its handlers are done with it. */
  remove({ receiptHandles }: Delivery): void {
    for (const receiptHandle of receiptHandles) this.#byHandle.delete(receiptHandle);
  }

  /** A handler settles it by itself; where that fails, it is unsettled again. */
  async settling<T>(receiptHandle: string, work: () => Promise<T>): Promise<T> {
    const delivery = this.#byHandle.get(receiptHandle);
    if (delivery === undefined) return work();
    delivery.isSettled = true;
    try {
      return await work();
    } catch (error) {
      delivery.isSettled = false;
      throw error;
    }
  }

  /** The receipt handle of a message has been replaced. */
  replaced(receiptHandle: string, by: string): void {
    const delivery = this.#byHandle.get(receiptHandle);
    if (delivery === undefined) return;
    delivery.receiptHandles.push(by);
    this.#byHandle.set(by, delivery);
  }
}

/** The only good one. */
export function currentHandle({ receiptHandles }: Delivery): string {
  return receiptHandles.at(-1) ?? '';
}
