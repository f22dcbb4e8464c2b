/** A header field, as HTTP/2 has it: the name is in lower case, and both are octets, one per character (latin1). */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}
