import { ConnectionError, ErrorCode } from './errors.ts';
import { int31Max, payloadBytesMax } from './frame.ts';
import type { Frame } from './frame-reader.ts';

/** Of RFC 9113, section 6.5.2. */
export const SettingId = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

const settingBytes = 6;
const frameSizeMax = 0xff_ffff;

/** What a client chose that changes what we send. */
export interface ChosenSettings {
  /** Bytes of our encoder's table, each value in its turn: the smallest of them must be heeded too. */
  readonly tableBytes: readonly number[];
  /** Bytes that we may send on a new stream; undefined: as before. */
  readonly windowBytes: number | undefined;
}

/**
 * Reads the payload of SETTINGS that are no acknowledgement. Of the other settings of the protocol none changes what this server does: it
 * pushes nothing, and its frames are never larger than any client must take.
 * @throws ConnectionError for a value that may not be.
 */
export function readSettings({ bytes, start, end }: Frame): ChosenSettings {
  if ((end - start) % settingBytes !== 0)
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS that end in the middle of one');
  const tableBytes: number[] = [];
  let windowBytes: number | undefined;
  for (let offset = start; offset < end; offset += settingBytes) {
    const value = bytes.readUInt32BE(offset + 2);
    const id = bytes.readUInt16BE(offset);
    checkSetting(id, value);
    if (id === SettingId.HEADER_TABLE_SIZE) tableBytes.push(value);
    else if (id === SettingId.INITIAL_WINDOW_SIZE) windowBytes = value;
  }
  return { tableBytes, windowBytes };
}

function checkSetting(id: number, value: number): void {
  if (id === SettingId.ENABLE_PUSH && value > 1)
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `SETTINGS_ENABLE_PUSH of ${value}`);
  if (id === SettingId.INITIAL_WINDOW_SIZE && value > int31Max)
    throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS_INITIAL_WINDOW_SIZE of ${value}`);
  if (id === SettingId.MAX_FRAME_SIZE && (value < payloadBytesMax || value > frameSizeMax))
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `SETTINGS_MAX_FRAME_SIZE of ${value}`);
}
