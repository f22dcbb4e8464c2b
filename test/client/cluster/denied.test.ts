import { describe, expect, test } from 'vitest';
import { checkDenied } from '../../../src/client/cluster/denied.ts';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const { SYSTEM_ERROR, NO_PERMISSION } = ResponseCode;
const acl1 = (text: string): string =>
  `org.apache.rocketmq.acl.common.AclException: ${text}, org.apache.rocketmq.acl.plain.PlainPermissionManager.validate(PlainPermissionManager.java:683)`;

function denialOf(code: number, remark: string | undefined): unknown {
  const credentials = { accessKey: 'canary-key', secretKey: 'canary-secret', securityToken: 'canary-token' };
  try {
    checkDenied({ ...blankCommand, code, remark }, '10.0.0.1:10911', credentials);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a denial', () => {
  // As 4.9.7, 5.5.0 and the embedded engine say it.
  test.each([
    [SYSTEM_ERROR, acl1('Check signature failed for accessKey=canary-key'), /signature is wrong/],
    [SYSTEM_ERROR, acl1('No acl config for canary-key'), /does not know the access key/],
    [SYSTEM_ERROR, acl1('No accessKey is configured'), /wants an access key/],
    [NO_PERMISSION, 'check signature failed.', /signature is wrong/],
    [NO_PERMISSION, 'User:canary-key is not found.', /does not know the access key/],
    [NO_PERMISSION, 'User:canary-key is disabled.', /disabled/],
    [NO_PERMISSION, 'username cannot be null.', /wants an access key/],
    [NO_PERMISSION, 'check signature failed: unknown access key, or wrong secret', /signature is wrong/],
  ])('of the credentials: %i %s', (code, remark, message) => {
    expect(denialOf(code, remark)).toMatchObject({
      name: 'ClientError',
      kind: 'unauthenticated',
      message: expect.stringMatching(message),
      cause: expect.any(ResponseError),
    });
  });

  test.each([
    [SYSTEM_ERROR, acl1('No default permission for topic:other')],
    [SYSTEM_ERROR, acl1('Need admin permission for request code=17, but accessKey=canary-key is not')],
    [SYSTEM_ERROR, 'AclException: something new'],
    [NO_PERMISSION, 'User:canary-key has no permission to access Topic:other from 127.0.0.1, no matched policies.'],
    [NO_PERMISSION, 'the broker[127.0.0.1] sending message is forbidden'],
    [NO_PERMISSION, undefined],
  ])('of rights: %i %s', (code, remark) => {
    expect(denialOf(code, remark)).toMatchObject({ name: 'ClientError', kind: 'denied', cause: { code } });
  });

  test.each([
    [ResponseCode.SUCCESS, acl1('No acl config')],
    [SYSTEM_ERROR, 'topic AclException is illegal'],
    [SYSTEM_ERROR, undefined],
    [ResponseCode.TOPIC_NOT_EXIST, acl1('No acl config')],
  ])('is none: %i %s', (code, remark) => {
    expect(denialOf(code, remark)).toBeUndefined();
  });

  test('tells neither keys nor tokens, which brokers may repeat', () => {
    for (const secret of ['canary-key', 'canary-secret', 'canary-token']) {
      for (const [code, remark] of [
        [SYSTEM_ERROR, acl1(`Check signature failed for accessKey=${secret}`)],
        [NO_PERMISSION, `${secret} ${secret}`],
      ] as const) {
        const error = denialOf(code, remark);
        if (!(error instanceof Error) || !(error.cause instanceof ResponseError)) throw new Error('no denial');
        for (const text of [error.message, error.cause.message, error.cause.remark, error.stack, error.cause.stack])
          expect(text).not.toContain('canary');
      }
    }
  });
});
