import { createHmac } from 'node:crypto';
import { type CommandContent, type ExtFields, newExtFields } from './command.ts';

/** What a request is signed with; the secret itself never travels. */
export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * Adds `AccessKey` and `Signature` to a request, as access control 1.0 and 2.0 want it (Java `AclClientRPCHook`, `AclUtils`):
 * HMAC-SHA1 over the values of all header fields in the order of their names, then the body. It covers neither the request
 * code nor a time, so it protects nothing on an untrusted network. Must be the last change to the header.
 */
export function signRequest(content: CommandContent, credentials: Credentials): CommandContent {
  const extFields: ExtFields = Object.assign(newExtFields(), content.extFields, { AccessKey: credentials.accessKey });
  delete extFields['Signature'];
  const hmac = createHmac('sha1', credentials.secretKey);
  for (const name of Object.keys(extFields).sort()) hmac.update(extFields[name] ?? '');
  if (content.body !== undefined) hmac.update(content.body);
  extFields['Signature'] = hmac.digest('base64');
  return { ...content, extFields };
}
