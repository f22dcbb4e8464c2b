import { type Command, Serialization } from './command.ts';
import { binaryHeaderBytesMax } from './header-binary.ts';
import { ProtocolVersion } from './version.ts';

/**
 * Which header serialisation the requests of one connection have. A server takes binary headers if it says that it is RocketMQ 4 or newer
 * and has answered one request that had one; until then all others, and for good where that one is not answered, are JSON. Servers
 * need not answer in kind: 5.x and before 4.9.4 they do not.
 */
export class HeaderChoice {
  #state: 'json' | 'untried' | 'tried' | 'binary';
  #triedOpaque = 0;

  /** @param wanted `ROCKETMQ`: binary headers where the server takes them. */
  constructor(wanted: Serialization) {
    this.#state = wanted === Serialization.ROCKETMQ ? 'untried' : 'json';
  }

  /** True while the server has not answered the one request that tried it. */
  get isUnproven(): boolean {
    return this.#state === 'tried';
  }

  /** For something that is not answered. */
  get known(): Serialization {
    return this.#state === 'binary' ? Serialization.ROCKETMQ : Serialization.JSON;
  }

  /** For a request that is answered. @param serverVersion as the server last said it; undefined: it has said nothing. */
  next(request: Command, serverVersion: number | undefined): Serialization {
    if (this.#state !== 'untried') return this.known;
    if (serverVersion === undefined || serverVersion < ProtocolVersion.V4_0_0) return Serialization.JSON;
    if (binaryHeaderBytesMax(request) === undefined) return Serialization.JSON;
    this.#state = 'tried';
    this.#triedOpaque = request.opaque;
    return Serialization.ROCKETMQ;
  }

  /** A reply came, whatever its code. */
  answered(opaque: number): void {
    if (this.#state === 'tried' && opaque === this.#triedOpaque) this.#state = 'binary';
  }
}
