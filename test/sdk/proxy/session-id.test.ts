import { expect, test } from 'vitest';
import { MQError } from '../../../src/sdk/mq-error.ts';
import { SessionId } from '../../../src/sdk/proxy/session-id.ts';

const unknown = new MQError('NOT_FOUND', 'ID_NOT_FOUND', 'unknown id');

test('an id that no proxy knows is made anew, once for all that use it', async () => {
  let made = 1;
  const session = new SessionId('id-1', async () => {
    made += 1;
    return `id-${made}`;
  });
  const use = (): Promise<string> =>
    session.use(async (id) => {
      if (id === 'id-1') throw unknown;
      return id;
    });
  expect(await Promise.all([use(), use(), use()])).toEqual(['id-2', 'id-2', 'id-2']);
  expect([session.id, made]).toEqual(['id-2', 2]);
  // Whoever comes late with the old one takes what is there.
  await session.renew('id-1');
  expect(made).toBe(2);
});

test('other failures, and a second one of the kind, are the caller’s', async () => {
  const session = new SessionId('id', async () => 'other');
  const refused = new MQError('NOT_FOUND', 'TOPIC_NOT_FOUND', 'no topic');
  await expect(session.use(() => Promise.reject(refused))).rejects.toBe(refused);
  expect(session.id).toBe('id');
  await expect(session.use(() => Promise.reject(unknown))).rejects.toBe(unknown);
});

test('where making one fails the next use tries again', async () => {
  let tries = 0;
  const session = new SessionId('id', async () => {
    tries += 1;
    if (tries === 1) throw new Error('not now');
    return 'other';
  });
  const use = () =>
    session.use(async (id) => {
      if (id === 'id') throw unknown;
      return id;
    });
  await expect(use()).rejects.toThrow('not now');
  expect(await use()).toBe('other');
});
