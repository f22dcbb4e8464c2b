/** A subscription that a broker cannot filter by: answer SUBSCRIPTION_PARSE_FAILED (23) with the message as the remark. */
export class FilterError extends Error {
  /** Where in the expression, counted from 1 in UTF-16 units; undefined where the whole of it is meant. */
  readonly character: number | undefined;

  /** @param problem What is wrong, and what to write instead; the place is put before it. */
  constructor(problem: string, character?: number) {
    super(character === undefined ? problem : `at character ${character} of the expression: ${problem}`);
    this.name = 'FilterError';
    this.character = character;
  }
}
