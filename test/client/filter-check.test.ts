import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkFilter } from '../../src/client/filter-check.ts';
import { parseTagFilter, sqlFilter } from '../../src/client/message-filter.ts';
import { type Channel, channelDefaults } from '../../src/remoting/channel.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { dial } from '../../src/remoting/dial.ts';
import { ResponseError } from '../../src/remoting/errors.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { decodeClientConfig } from '../../src/remoting/requests/check-client-config.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';

const { CHECK_CLIENT_CONFIG } = RequestCode;
const subscriber = { group: 'g', topic: 't' };
const filter = sqlFilter("price > 10 AND region = 'north'");
const soon = (): Deadline => Deadline.after(10_000);

describe('checkFilter', () => {
  let peers: ScriptedPeer[];
  let channels: Channel[];

  beforeEach(async () => {
    peers = [await ScriptedPeer.start(), await ScriptedPeer.start()];
    channels = await Promise.all(
      peers.map(({ address }) => dial(address, { ...channelDefaults, connectTimeoutMs: 3_000 }, soon())),
    );
  });

  afterEach(async () => {
    for (const channel of channels) channel.close();
    await Promise.all(peers.map((peer) => peer.stop()));
  });

  const check = (): Promise<void> => checkFilter({ clientId: 'me', subscriber, filter }, channels, soon());
  const answer = (code: number, remark: string): void => {
    peers[1]?.on(CHECK_CLIENT_CONFIG, () => ({ code, remark }));
  };

  test('asks each broker about a condition', async () => {
    await check();
    for (const peer of peers) {
      const [request] = peer.requests(CHECK_CLIENT_CONFIG);
      expect(request && decodeClientConfig(request)).toMatchObject({
        clientId: 'me',
        group: 'g',
        subscription: { topic: 't', expression: filter.expression, expressionType: 'SQL92' },
      });
    }
  });

  test('asks nobody about tags', async () => {
    await checkFilter({ clientId: 'me', subscriber, filter: parseTagFilter('a || b') }, channels, soon());
    expect(peers.flatMap((peer) => peer.requests(CHECK_CLIENT_CONFIG))).toEqual([]);
  });

  test.each([
    ['knows tags only', ResponseCode.SYSTEM_ERROR],
    ['does not know the question', ResponseCode.REQUEST_CODE_NOT_SUPPORTED],
  ])('says what to set where one broker %s', async (_, code) => {
    answer(code, 'secret');
    const failure: unknown = await check().catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'ClientError', kind: 'unsupported', cause: expect.any(ResponseError) });
    expect(String(failure)).toContain('enablePropertyFilter=true');
    expect(String(failure)).not.toContain('secret');
  });

  test.each([
    ['of Java', 'secret: Encountered "x" at line 1, column 17.\nWas expecting: secret', ' (at line 1, column 17):'],
    ['of the engine', 'at character 17 of the expression: secret', ' (at character 17):'],
    ['of neither', 'Invalid MessageSelector, secret', 'condition:'],
  ])('says where the mistake is, in the words %s, and repeats no other', async (_, remark, place) => {
    answer(ResponseCode.SUBSCRIPTION_PARSE_FAILED, remark);
    const failure: unknown = await check().catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'ClientError', kind: 'invalid', cause: expect.any(ResponseError) });
    expect(String(failure)).toContain(place);
    expect(String(failure)).toContain('price > 10');
    expect(String(failure)).not.toContain('secret');
  });

  test('passes on what is wrong otherwise', async () => {
    answer(ResponseCode.NO_PERMISSION, 'no');
    await expect(check()).rejects.toMatchObject({ name: 'ResponseError', code: ResponseCode.NO_PERMISSION });
    channels[0]?.close();
    await expect(check()).rejects.toMatchObject({ name: 'RemotingError', kind: 'closed' });
  });
});
