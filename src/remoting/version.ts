/**
 * Protocol versions: ordinals of Java `MQVersion.Version`. Every command carries its sender's.
 * Ordinals move in steps of two (snapshot, release), so the name of one is found by counting from a known release.
 */
export const ProtocolVersion = {
  /** First version of Apache's own; it reads binary headers. */
  V4_0_0: 213,
  /** Last version whose look-ups by UNIQ_KEY are signed without saying so. */
  V4_9_3: 399,
  /** First version whose name servers write standard JSON to us. */
  V4_9_4: 401,
  /** First version with POP, timer messages and INVALID_PARAMETER. */
  V5_0_0: 413,
  /** First version that takes BATCH_ACK_MESSAGE. */
  V5_1_3: 439,
  V5_3_1: 475,
} as const;

/**
 * The version that we claim. 401 or more gets standard JSON; not above V5_3_1, because servers may then answer GO_AWAY
 * to any request while they shut down.
 */
export const claimedVersion: number = ProtocolVersion.V5_3_1;

/** True for brokers that have POP and timer messages. */
export function isVersion5(version: number): boolean {
  return version >= ProtocolVersion.V5_0_0;
}
