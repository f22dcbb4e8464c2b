import { timingSafeEqual } from 'node:crypto';
import type { Command } from '../remoting/command.ts';
import { RequestCode } from '../remoting/request-code.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { signatureOf } from '../remoting/signature.ts';
import type { AccessKey } from './options.ts';
import { RequestRefused } from './refused.ts';

/**
 * What anybody may ask: where brokers are. RocketMQ's name servers check nothing, so some clients sign nothing there, and a wrong key
 * is to be told by the broker.
 */
const openCodes: ReadonlySet<number> = new Set([
  RequestCode.GET_ROUTEINFO_BY_TOPIC,
  RequestCode.GET_BROKER_CLUSTER_INFO,
]);

/** Lets only those in who sign their requests with a known key (the signature of RocketMQ's access control 1.0 and 2.0). */
export class AccessControl {
  readonly #secrets: ReadonlyMap<string, string>;

  /** @param keys None: everybody may do everything. */
  constructor(keys: readonly AccessKey[]) {
    this.#secrets = new Map(keys.map(({ accessKey, secretKey }) => [accessKey, secretKey]));
  }

  /** @throws RequestRefused NO_PERMISSION, with one text for every reason: which keys exist is nobody's business. */
  check(request: Command): void {
    if (this.#secrets.size === 0 || openCodes.has(request.code)) return;
    const accessKey = request.extFields['AccessKey'] ?? '';
    const secretKey = this.#secrets.get(accessKey);
    const wanted = Buffer.from(signatureOf(request, secretKey ?? 'none'));
    const given = Buffer.from(request.extFields['Signature'] ?? '');
    const fits = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (fits && secretKey !== undefined) return;
    throw new RequestRefused(ResponseCode.NO_PERMISSION, 'check signature failed: unknown access key, or wrong secret');
  }
}
