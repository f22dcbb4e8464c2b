/** Lets tests wait for what others change, without polling. */
export class Changes {
  readonly #looks = new Set<() => void>();

  /** Something has changed: everybody who waits looks again. */
  notify(): void {
    for (const look of [...this.#looks]) look();
  }

  /**
   * Waits until `read` finds something.
   * @param missing says what there is instead, for the error.
   * @throws whatever `read` throws; Error after `timeoutMs`.
   */
  async until<T>(read: () => T | undefined, timeoutMs: number, missing: () => string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
        settle();
      };
      const look = (): void => {
        try {
          const found = read();
          if (found !== undefined) end(() => resolve(found));
        } catch (error) {
          end(() => reject(error));
        }
      };
      const timer = setTimeout(() => end(() => reject(new Error(`after ${timeoutMs} ms: ${missing()}`))), timeoutMs);
      this.#looks.add(look);
      look();
    });
  }
}
