/** What one connection may do. Times in milliseconds, 0 or more; `sweep` keeps them about as exactly as it is called. */
export interface Http2Options {
  /** Most streams at a time: announced, and more are refused. */
  readonly streamsMax: number;
  /** Most streams that are opened before other connections have their turn. */
  readonly streamsPerTurnMax: number;
  /** Bytes of one request that may be on their way before its handler reads them. */
  readonly streamWindowBytes: number;
  /** The same for all requests of the connection together. At least 65,535, which HTTP/2 begins with. */
  readonly connectionWindowBytes: number;
  /**
   * Bytes of requests that handlers keep on one connection before it is only the oldest unfinished one whose window goes on being widened:
   * what comes then is at most one window of each other stream.
   */
  readonly keptBytesMax: number;
  /** Most bytes of the fields of one request, 32 more for each. A request with more is answered 431. */
  readonly headerBytesMax: number;
  /** Most fields of one request. */
  readonly headerFieldsMax: number;
  /** Most frames that one header block may be cut into. */
  readonly headerFramesMax: number;
  /** Bytes of one answer that wait before its handler is told to wait. */
  readonly streamUnsentBytesMax: number;
  /** Bytes of all answers that may wait at their streams before new streams are refused. */
  readonly pendingBytesMax: number;
  /** Bytes that wait for the network before streams must keep theirs. At twice as many nothing more is read from the peer. */
  readonly unsentBytesMax: number;
  /** Longest a new connection may take to say its preface and SETTINGS, and to acknowledge ours. */
  readonly settingsMs: number;
  /** Longest a header block that has begun may take. */
  readonly headersMs: number;
  /** Longest a client may take to send one request whole, unless its handler lets it last; and longest any frame may take. */
  readonly readTimeoutMs: number;
  /** Longest a request that is not whole may go without any data; its handler may let it last. */
  readonly firstDataMs: number;
  /** How often the peer is asked for a sign of life. */
  readonly keepaliveIntervalMs: number;
  /** How long it may give none after that. */
  readonly keepaliveTimeoutMs: number;
  /** Longest the connection stays open without a stream. */
  readonly idleMs: number;
  /** How old it gets from its first stream on, give or take a tenth, before its client is told to open another one; 0: any age. */
  readonly ageMsMax: number;
  /** Streams younger than this count as abuse when they are reset: no caller gives up on an answer that fast. */
  readonly youngStreamMs: number;
  /** Most such resets at once, and streams refused or reset for the peer's mistakes; after that, `youngResetsPerSecond`. */
  readonly youngResetsMax: number;
  readonly youngResetsPerSecond: number;
  /** Most frames at once that bring nothing forward: PING, SETTINGS, tiny DATA and the like; after that, `controlFramesPerSecond`. */
  readonly controlFramesMax: number;
  readonly controlFramesPerSecond: number;
  /** Longest the socket stays open for the peer to read the last of a connection that has ended. */
  readonly closeGraceMs: number;
  /** The same where the peer abused the connection. */
  readonly abuserGraceMs: number;
}

export const http2Defaults: Http2Options = {
  streamsMax: 128,
  streamsPerTurnMax: 128,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
  keptBytesMax: 33_554_432,
  headerBytesMax: 16_384,
  headerFieldsMax: 128,
  headerFramesMax: 16,
  streamUnsentBytesMax: 65_536,
  pendingBytesMax: 10_485_760,
  unsentBytesMax: 262_144,
  settingsMs: 10_000,
  headersMs: 10_000,
  readTimeoutMs: 30_000,
  firstDataMs: 10_000,
  keepaliveIntervalMs: 10_000,
  keepaliveTimeoutMs: 20_000,
  idleMs: 120_000,
  ageMsMax: 0,
  youngStreamMs: 100,
  // With those that time forgives meanwhile, of a rapid reset no more than 200 reach a handler.
  youngResetsMax: 190,
  youngResetsPerSecond: 20,
  controlFramesMax: 1_000,
  controlFramesPerSecond: 20,
  closeGraceMs: 1_000,
  abuserGraceMs: 500,
};
