/**
 * Access control of a real broker: 1.0 of 4.9.7 (a file) and 2.0 of 5.5.0 (users made by requests). Both get the same three users, so
 * that one suite can run on either.
 */
import { createHmac } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WireReply, WireRequest } from './wire.ts';

/** What a request is signed with. */
export interface AccessKeys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** The harness's own: may do everything. 4.x takes no key of fewer than 7 characters. */
export const adminKeys: AccessKeys = { accessKey: 'harness-admin', secretKey: 'secret-of-admin' };
/** May send to and receive from every topic, in every group. */
export const memberKeys: AccessKeys = { accessKey: 'harness-member', secretKey: 'secret-of-member' };
/** May do so with the one topic {@link guestTopic} and the one group {@link guestGroup}. */
export const guestKeys: AccessKeys = { accessKey: 'harness-guest', secretKey: 'secret-of-guest' };
export const guestTopic = 'open-to-guests';
export const guestGroup = 'g-of-guests';

const AUTH_CREATE_USER = 3001;
const AUTH_CREATE_ACL = 3006;

/** Adds what Java's `AclClientRPCHook` adds; written apart from `src/`, as everything here. */
export function signed(request: WireRequest, { accessKey, secretKey }: AccessKeys): WireRequest {
  const extFields: Record<string, string> = { ...request.extFields, AccessKey: accessKey };
  const values = Object.entries(extFields)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, value]) => value);
  const hmac = createHmac('sha1', secretKey).update(values.join(''));
  extFields['Signature'] = hmac.update(request.body ?? new Uint8Array(0)).digest('base64');
  return { ...request, extFields };
}

/** Settings of the broker. @param isVersion5 with 2.0 instead of 1.0. */
export function accessControlConfig(isVersion5: boolean): Readonly<Record<string, string | boolean>> {
  if (!isVersion5) return { aclEnable: true };
  const { accessKey, secretKey } = adminKeys;
  const provider = 'org.apache.rocketmq.auth';
  return {
    authenticationEnabled: true,
    authenticationProvider: `${provider}.authentication.provider.DefaultAuthenticationProvider`,
    authenticationMetadataProvider: `${provider}.authentication.provider.LocalAuthenticationMetadataProvider`,
    initAuthenticationUser: JSON.stringify({ username: accessKey, password: secretKey }),
    innerClientAuthenticationCredentials: JSON.stringify({ accessKey, secretKey }),
    authorizationEnabled: true,
    authorizationProvider: `${provider}.authorization.provider.DefaultAuthorizationProvider`,
    authorizationMetadataProvider: `${provider}.authorization.provider.LocalAuthorizationMetadataProvider`,
  };
}

/** Users of 1.0. Its rights to a group are rights to that group's retry topic, which members read and consumers write. */
export async function writePlainAcl(directory: string): Promise<void> {
  const account = (keys: AccessKeys, lines: readonly string[]): string[] => [
    `  - accessKey: ${keys.accessKey}`,
    `    secretKey: ${keys.secretKey}`,
    ...lines.map((line) => `    ${line}`),
  ];
  const lines = [
    'globalWhiteRemoteAddresses: []',
    'accounts:',
    ...account(adminKeys, ['admin: true']),
    ...account(memberKeys, ['admin: false', 'defaultTopicPerm: PUB|SUB', 'defaultGroupPerm: PUB|SUB']),
    ...account(guestKeys, [
      ...['admin: false', 'defaultTopicPerm: DENY', 'defaultGroupPerm: DENY'],
      ...['topicPerms:', `  - ${guestTopic}=PUB|SUB`, 'groupPerms:', `  - ${guestGroup}=PUB|SUB`],
    ]),
  ];
  await mkdir(join(directory, 'conf'), { recursive: true });
  await writeFile(join(directory, 'conf', 'plain_acl.yml'), `${lines.join('\n')}\n`);
}

/** Users of 2.0; the admin was made by the broker's settings. */
export async function createUsers(call: (request: WireRequest) => Promise<WireReply>): Promise<void> {
  const send = async (code: number, extFields: Readonly<Record<string, string>>, body: object): Promise<void> => {
    const reply = await call({ code, extFields, body: Buffer.from(JSON.stringify(body)) });
    if (reply.code !== 0) throw new Error(`the broker made no user: ${reply.code} ${reply.remark}`);
  };
  const rights = [
    [memberKeys, ['Topic:*', 'Group:*']],
    [guestKeys, [`Topic:${guestTopic}`, `Group:${guestGroup}`]],
  ] as const;
  for (const [{ accessKey: username, secretKey: password }, resources] of rights) {
    await send(AUTH_CREATE_USER, { username }, { username, password, userType: 'Normal' });
    const subject = `User:${username}`;
    const entries = resources.map((resource) => ({
      resource,
      actions: ['Pub', 'Sub'],
      sourceIps: [],
      decision: 'Allow',
    }));
    await send(AUTH_CREATE_ACL, { subject }, { subject, policies: [{ policyType: 'Custom', entries }] });
  }
}
