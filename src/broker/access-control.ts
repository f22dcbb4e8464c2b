import { timingSafeEqual } from 'node:crypto';
import type { Command } from '../remoting/command.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { signRequest } from '../remoting/signature.ts';
import type { AccessKey } from './options.ts';
import { RequestRefused } from './refused.ts';

/** Lets only those in who sign their requests with a known key (the signature of RocketMQ's access control 1.0 and 2.0). */
export class AccessControl {
  readonly #secrets: ReadonlyMap<string, string>;

  /** @param keys None: everybody may do everything. */
  constructor(keys: readonly AccessKey[]) {
    this.#secrets = new Map(keys.map(({ accessKey, secretKey }) => [accessKey, secretKey]));
  }

  /** @throws RequestRefused NO_PERMISSION, with one text for every reason: which keys exist is nobody's business. */
  check(request: Command): void {
    if (this.#secrets.size === 0) return;
    const accessKey = request.extFields['AccessKey'] ?? '';
    const secretKey = this.#secrets.get(accessKey);
    const signed = signRequest(request, { accessKey, secretKey: secretKey ?? 'none' });
    const wanted = Buffer.from(signed.extFields['Signature'] ?? '');
    const given = Buffer.from(request.extFields['Signature'] ?? '');
    const fits = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (fits && secretKey !== undefined) return;
    throw new RequestRefused(ResponseCode.NO_PERMISSION, 'check signature failed: unknown access key, or wrong secret');
  }
}
