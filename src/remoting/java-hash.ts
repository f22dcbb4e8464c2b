/**
 * Java `String.hashCode`, a signed int32: brokers filter by this hash of the whole TAGS text, and clients choose queues by the
 * one of a sharding key.
 */
export function javaStringHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  }
  return hash;
}
