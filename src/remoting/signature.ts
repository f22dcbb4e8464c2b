import { createHmac } from 'node:crypto';
import { type CommandContent, type ExtFields, newExtFields } from './command.ts';
import { ProtocolVersion } from './version.ts';

/** What a request is signed with; the secret itself never travels. */
export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  /** Proves temporary keys (STS); travels in every request, and is signed as well. */
  readonly securityToken?: string | undefined;
  /** What Alibaba Cloud's brokers want to be told (`ALIYUN`, `CLOUD`, `ALL`); travels and is signed as well. */
  readonly onsChannel?: string | undefined;
}

/** Marks a look-up by UNIQ_KEY (Java `MixAll.UNIQUE_MSG_QUERY_FLAG`). */
const uniqueKeyFlag = '_UNIQUE_KEY_QUERY';

/**
 * Adds `AccessKey` and `Signature` to a request, as access control 1.0 and 2.0 want it (Java `AclClientRPCHook`, `AclUtils`):
 * HMAC-SHA1 over the values of all header fields in the order of their names, then the body. It covers neither the request
 * code nor a time, so it protects nothing on an untrusted network. Must be the last change to the header.
 *
 * Brokers disagree about `_UNIQUE_KEY_QUERY`: 4.x never counts it among the values, 5.x counts it unless the request says that it comes
 * from 4.9.3 or older (Java `PlainAccessValidator`, `DefaultAuthenticationContextBuilder`). So a request that has it says that.
 */
export function signRequest(content: CommandContent, credentials: Credentials): CommandContent {
  const { accessKey, secretKey, securityToken, onsChannel } = credentials;
  const extFields: ExtFields = Object.assign(newExtFields(), content.extFields, { AccessKey: accessKey });
  if (securityToken !== undefined) extFields['SecurityToken'] = securityToken;
  if (onsChannel !== undefined) extFields['OnsChannel'] = onsChannel;
  const version = uniqueKeyFlag in extFields ? ProtocolVersion.V4_9_3 : undefined;
  extFields['Signature'] = signatureOf({ extFields, body: content.body, version }, secretKey);
  return { ...content, extFields, ...(version === undefined ? {} : { version }) };
}

/** What of a request is signed; its version is undefined for a newer one. */
interface Signed {
  readonly extFields: ExtFields;
  readonly body?: Uint8Array | undefined;
  readonly version?: number | undefined;
}

/** The signature that a request should carry, in base64; `AccessKey` and the like are among its fields already. */
export function signatureOf({ extFields, body, version = ProtocolVersion.V4_9_4 }: Signed, secretKey: string): string {
  const hmac = createHmac('sha1', secretKey);
  for (const name of Object.keys(extFields).sort()) {
    if (name === 'Signature' || (name === uniqueKeyFlag && version <= ProtocolVersion.V4_9_3)) continue;
    hmac.update(extFields[name] ?? '');
  }
  if (body !== undefined) hmac.update(body);
  return hmac.digest('base64');
}
