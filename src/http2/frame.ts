/** Types of RFC 9113, section 6. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Flags of RFC 9113, section 6; END_STREAM and ACK are the same bit of different frames. */
export const Flag = {
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Bytes in front of each payload. */
export const frameHeadBytes = 9;

/** Largest payload, both ways: what SETTINGS_MAX_FRAME_SIZE begins with. Larger frames save nothing worth their memory. */
export const payloadBytesMax = 16_384;

/** DATA with less, and not the last, costs more than it brings. */
export const usefulDataBytesMin = 8;

/** Bytes that each side may send before it has heard anything of windows (RFC 9113, section 6.9.2). */
export const windowBytesDefault = 65_535;

/** Largest window, and largest id of a stream. */
export const int31Max = 0x7fff_ffff;

/** What is written in front of a payload. */
export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** Writes nine bytes at `offset`. */
export function writeFrameHead(target: Buffer, offset: number, payloadBytes: number, head: FrameHead): void {
  const { streamId } = head;
  target[offset] = payloadBytes >>> 16;
  target[offset + 1] = payloadBytes >>> 8;
  target[offset + 2] = payloadBytes;
  target[offset + 3] = head.type;
  target[offset + 4] = head.flags;
  target[offset + 5] = streamId >>> 24;
  target[offset + 6] = streamId >>> 16;
  target[offset + 7] = streamId >>> 8;
  target[offset + 8] = streamId;
}
