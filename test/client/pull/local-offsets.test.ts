import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConsumeFrom } from '../../../src/client/consume-from.ts';
import { LocalOffsets } from '../../../src/client/pull/local-offsets.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';
import { GroupMembers } from '../../support/group-members.ts';

const queue = { topic: 'orders', brokerName: 'broker-a', queueId: 0 };
const soon = () => Deadline.after(10_000);

describe('offsets that are kept here', () => {
  let directory: string;
  let engine: Awaited<ReturnType<typeof startTestEngine>>;
  let members: GroupMembers;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'offsets-'));
    engine = await startTestEngine();
    members = new GroupMembers(engine.nameServer);
    const client = await connectEngine(engine.brokerAddress);
    for (const body of ['a', 'b', 'c']) await client.send('orders', body);
  });

  afterEach(async () => {
    await members.stop();
    rmSync(directory, { recursive: true });
  });

  function open(more: { from?: ConsumeFrom; directory?: string | undefined; clientId?: string; group?: string } = {}) {
    const { cluster } = members.start({ clientId: 'c' });
    return LocalOffsets.open({ cluster, group: 'g', from: { kind: 'last' }, directory, clientId: 'me', ...more });
  }

  test.each([
    ['first', { kind: 'first' }, 0n],
    ['last', { kind: 'last' }, 3n],
    ['timestamp', { kind: 'timestamp', timestampMs: 0 }, 0n],
  ] as const)('begin by %s where nothing is known', async (_, from, offset) => {
    expect(await (await open({ from })).first(queue, soon())).toBe(offset);
  });

  test('outlive the client, for its client id and group', async () => {
    const offsets = await open();
    await offsets.store(queue, 2n);
    await offsets.store({ ...queue, queueId: 1 }, 2n ** 60n);
    await offsets.store(queue, 1n);
    await Promise.all([offsets.save(), offsets.save()]);
    offsets.forget();
    expect(await offsets.first(queue, soon())).toBe(2n);
    const again = await open();
    expect(await again.first(queue, soon())).toBe(2n);
    expect(await again.first({ ...queue, queueId: 1 }, soon())).toBe(2n ** 60n);
    for (const other of [{ clientId: 'you' }, { group: 'h' }, { directory: undefined }]) {
      expect(await (await open(other)).first(queue, soon())).toBe(3n);
    }
  });

  test('may move back', async () => {
    const offsets = await open();
    await offsets.store(queue, 2n);
    await offsets.move(queue, 0n);
    await offsets.save();
    expect(await (await open()).first(queue, soon())).toBe(0n);
  });

  test('names of clients and groups lead nowhere but into the folder', async () => {
    const offsets = await open({ clientId: '../10.0.0.1@7#*', group: '..' });
    await offsets.store(queue, 1n);
    await offsets.save();
    expect(readdirSync(directory, { recursive: true })).toEqual([
      '%2E%2E%2F10%2E0%2E0%2E1%407%23%2A',
      join('%2E%2E%2F10%2E0%2E0%2E1%407%23%2A', '%2E%2E.json'),
    ]);
  });

  test('a write that fails is made up for by the next', async () => {
    const offsets = await open();
    await offsets.store(queue, 2n);
    // What is in the way of the folder of the client.
    writeFileSync(join(directory, 'me'), '');
    await expect(offsets.save()).rejects.toThrow();
    rmSync(join(directory, 'me'));
    await offsets.save();
    expect(await (await open()).first(queue, soon())).toBe(2n);
  });

  test.each(['', '{', '[]', '{"offsets":1}', '{"offsets":[{"topic":"t","brokerName":"b","queueId":0,"offset":"x"}]}'])(
    'a file with %j is refused, by its name',
    async (text) => {
      await mkdir(join(directory, 'me'));
      writeFileSync(join(directory, 'me', 'g.json'), text);
      await expect(open()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('g.json') });
    },
  );

  test('a file that cannot be read is refused, by its name', async () => {
    await mkdir(join(directory, 'me', 'g.json'), { recursive: true });
    await expect(open()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('g.json') });
  });
});
