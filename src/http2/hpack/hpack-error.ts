/**
 * A header block that no decoder can go on behind: the connection must end with COMPRESSION_ERROR (RFC 9113, section 4.3), since the
 * dynamic tables of the two sides are no longer the same.
 */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}
