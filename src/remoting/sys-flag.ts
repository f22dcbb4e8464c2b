/** Bits of a message's `sysFlag` (Java `MessageSysFlag`). */
export const SysFlag = {
  /** The body is compressed; `COMPRESSION_TYPE_MASK` says how. */
  COMPRESSED: 1,
  MULTI_TAGS: 2,
  /** Half message. */
  TRANSACTION_PREPARED: 4,
  TRANSACTION_COMMIT: 8,
  TRANSACTION_ROLLBACK: 12,
  /** Mask of the three transaction states; none of them set is a message without a transaction. */
  TRANSACTION_MASK: 12,
  /** The born host is an IPv6 address. */
  BORN_HOST_V6: 16,
  /** The store host is an IPv6 address. */
  STORE_HOST_V6: 32,
  /** Together with `INNER_BATCH`: the body is a list of batch records that the client takes apart. */
  NEED_UNWRAP: 64,
  INNER_BATCH: 128,
  COMPRESSION_LZ4: 0x100,
  COMPRESSION_ZSTD: 0x200,
  /** Zlib is also meant where no compression type is set: older clients set none. */
  COMPRESSION_ZLIB: 0x300,
  COMPRESSION_TYPE_MASK: 0x700,
} as const;
