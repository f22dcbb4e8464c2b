import type { Command } from '../../remoting/command.ts';
import { ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { Credentials } from '../../remoting/signature.ts';
import { ClientError } from '../errors.ts';

/**
 * What brokers say where they do not know who asks: access control 1.0 (Java `PlainPermissionManager`), 2.0 (Java
 * `DefaultAuthenticationHandler`), and the embedded engine. There are no codes for it, so their texts must do.
 */
const strangers: readonly (readonly [RegExp, string])[] = [
  [/No accessKey is configured|username cannot be null/, 'it wants an access key, and none is set'],
  [/No acl config for |User:.* (?:is )?not found/, 'it does not know the access key'],
  [/User:.* is disabled/, 'the access key is disabled'],
  [/signature failed/i, 'the signature is wrong, so the secret key or the access key is'],
  [/Authentication failed|No PlainAccessResource/, 'the access key or its secret key is wrong'],
];

/**
 * Whether a server refuses the caller, and not just this request: brokers of 5.x have a code for that, which 4.x brokers do not use;
 * theirs is an exception of a class of its own.
 * @throws ClientError `unauthenticated` or `denied`, with the ResponseError as its cause, without access key and token.
 */
export function checkDenied(reply: Command, address: string, credentials: Credentials | undefined): void {
  if (reply.code === ResponseCode.SUCCESS) return;
  const remark = reply.remark ?? '';
  const isAcl1 = reply.code === ResponseCode.SYSTEM_ERROR && /^(?:[\w.]+\.)?AclException\b/.test(remark);
  if (!isAcl1 && reply.code !== ResponseCode.NO_PERMISSION) return;
  const cause = new ResponseError(reply.code, withoutSecrets(remark, credentials), address);
  const stranger = strangers.find(([pattern]) => pattern.test(remark));
  if (stranger !== undefined) {
    throw new ClientError('unauthenticated', `the server refused the credentials: ${stranger[1]}`, cause);
  }
  throw new ClientError('denied', 'the server does not permit it: check the rights to this topic and group', cause);
}

/** 4.x brokers repeat access keys. */
function withoutSecrets(remark: string, credentials: Credentials | undefined): string {
  if (credentials === undefined) return remark;
  const { accessKey, secretKey, securityToken = '' } = credentials;
  const secrets = [secretKey, securityToken, accessKey].filter((secret) => secret !== '');
  return secrets.reduce((text, secret) => text.replaceAll(secret, '***'), remark);
}
