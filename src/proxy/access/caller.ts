import { Code } from '@connectrpc/connect';
import { failure } from '../rpc/failures.ts';

/** What a client names when it creates a producer or consumer. */
export interface TargetRequest {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly instanceId: string;
}

/** What a token may do. A name ends in `*` for all that begin like it. Names are full names: with their namespace, where they have one. */
export interface Rights {
  /** Topics that it may send to. */
  readonly publish: readonly string[];
  /** Topics that it may receive from. */
  readonly subscribe: readonly string[];
  /** Consumer groups that it may receive as. */
  readonly groups: readonly string[];
  /** The cluster that it is held to, and the access keys that it uses there without ever seeing them. */
  readonly target?: TargetRequest | undefined;
}

/** Who makes a call, and what they may do. Every use of an id, a topic or a group asks here. */
export class Caller {
  /** Name of the token: ids are of use only to those who made them. '' where the proxy asks nobody who they are. */
  readonly name: string;
  readonly #rights: Rights | undefined;
  #ended = false;

  /** @param rights undefined: everything. */
  constructor(name: string, rights: Rights | undefined) {
    this.name = name;
    this.#rights = rights;
  }

  /** True once its token was taken away or has other rights. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Its token was taken away, or has other rights from now on. */
  end(): void {
    this.#ended = true;
  }

  /** @throws ConnectError PERMISSION_DENIED, whether there is such a topic or not. */
  checkPublish(topic: string): void {
    if (this.#rights !== undefined && !allows(this.#rights.publish, topic)) throw denied(`send to topic ${topic}`);
  }

  /** @throws ConnectError PERMISSION_DENIED, whether there are such names or not. */
  checkSubscribe(topic: string, group: string): void {
    if (this.#rights === undefined) return;
    if (!allows(this.#rights.subscribe, topic)) throw denied(`receive from topic ${topic}`);
    if (!allows(this.#rights.groups, group)) throw denied(`receive as consumer group ${group}`);
  }

  /**
   * What a request asks for, with what the token brings: a token that is held to a cluster uses no other one, and no keys but its own.
   * @param spell the one spelling of an endpoint.
   * @throws ConnectError PERMISSION_DENIED for another cluster, and other keys or another instance than the token's.
   */
  target(request: TargetRequest, spell: (endpoint: string) => string): TargetRequest {
    const own = this.#rights?.target;
    if (own === undefined) return request;
    if (request.endpoint !== '' && spell(request.endpoint) !== spell(own.endpoint))
      throw denied('use another endpoint');
    for (const name of ['accessKeyId', 'accessKeySecret', 'instanceId'] as const) {
      if (request[name] !== '' && request[name] !== own[name])
        throw denied('use other access keys or another instance');
    }
    return own;
  }
}

/** Who calls where the proxy has no tokens: they may do everything. */
export const anyone = new Caller('', undefined);

/** Who calls what needs no token. */
export const nobody = new Caller('', { publish: [], subscribe: [], groups: [] });

function allows(names: readonly string[], name: string): boolean {
  return names.some((allowed) => (allowed.endsWith('*') ? name.startsWith(allowed.slice(0, -1)) : name === allowed));
}

function denied(what: string) {
  return failure(
    Code.PermissionDenied,
    'TOKEN_DENIED',
    `this token may not ${what}: leave that field empty, name what the token may use, or ask the operator of this proxy`,
  );
}
