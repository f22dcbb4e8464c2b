/** Header serialisations, as the high byte of a frame's mark (Java `SerializeType`). */
export const Serialization = { JSON: 0, ROCKETMQ: 1 } as const;
export type Serialization = (typeof Serialization)[keyof typeof Serialization];

/** Bits of `Command.flag` (Java `RemotingCommand`); others are ignored. */
export const CommandFlag = { RESPONSE: 1, ONE_WAY: 2 } as const;

/** Header map of a command. Inherits nothing, so that no name from the wire meets an inherited one. */
export type ExtFields = Record<string, string>;

/** One request or reply as it travels: everything of a frame but its lengths. */
export interface Command {
  /** Request code, or response code where `flag` says reply. */
  readonly code: number;
  /** Signed int32, chosen by the asking side and echoed in the reply. */
  readonly opaque: number;
  /** `CommandFlag` bits. */
  readonly flag: number;
  /** Version of the side that sent it (`ProtocolVersion`). */
  readonly version: number;
  /** What the other side says to be written in (Java `LanguageCode`), as `JAVA` or `GO`; ours is `NODE_JS` where there is none. */
  readonly language?: string | undefined;
  /** Error text of a reply; may also stand on a success. */
  readonly remark: string | undefined;
  readonly extFields: ExtFields;
  readonly body: Buffer;
}

/** What a caller asks for; the channel adds opaque, flag, version and signature. */
export interface CommandContent {
  readonly code: number;
  readonly extFields: ExtFields;
  readonly body?: Uint8Array;
  /** What this one says to be written in. Default: `NODE_JS`. */
  readonly language?: string;
  /** Version to be claimed for this one (`ProtocolVersion`). Default: ours. */
  readonly version?: number;
}

/** What a request is answered with. */
export interface Answer {
  readonly code: number;
  readonly remark?: string;
  readonly extFields?: ExtFields;
  readonly body?: Uint8Array;
}

export const emptyBody: Buffer = Buffer.alloc(0);

/** Its instances inherit from an empty object. V8 keeps what inherits from nothing as a hash table, which costs several times more. */
class EmptyFields {}
Reflect.deleteProperty(EmptyFields.prototype, 'constructor');
Object.setPrototypeOf(EmptyFields.prototype, null);

/** An empty header map. */
export function newExtFields(): ExtFields {
  return new EmptyFields() as ExtFields;
}

export function isReply(command: Command): boolean {
  return (command.flag & CommandFlag.RESPONSE) !== 0;
}

export function isOneWay(command: Command): boolean {
  return (command.flag & CommandFlag.ONE_WAY) !== 0;
}

/**
 * The opaque after `opaque`. Servers read it as a signed int32, so it wraps; a number in `taken`, still waiting for its reply, is
 * passed over.
 */
export function nextOpaque(opaque: number, taken: { has(opaque: number): boolean }): number {
  let next = opaque;
  do next = (next + 1) | 0;
  while (taken.has(next));
  return next;
}
