import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { noticeIntervalMs } from '../../src/broker/change-notices.ts';
import {
  Clients,
  clientsDefaults,
  type GroupSettings,
  silenceCheckIntervalMs,
  silenceMsMax,
} from '../../src/broker/clients.ts';
import type { ClientConsumer, ClientHeartbeat, Subscription } from '../../src/remoting/requests/heartbeat.ts';
import type { ServerConnection } from '../../src/remoting/server-connection.ts';
import { type MemoryConnection, memoryConnection } from '../support/memory-connection.ts';

const noSettings: GroupSettings = { get: () => undefined };

function createClients(groups: GroupSettings = noSettings, options = clientsDefaults): Clients {
  const clients = new Clients(groups, options);
  onTestFinished(() => clients.close());
  return clients;
}

function consumer(groupName: string, more: Partial<ClientConsumer> = {}): ClientConsumer {
  return {
    groupName,
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    subscriptions: [],
    ...more,
  };
}

function heartbeat(clientId: string, more: Partial<ClientHeartbeat> = {}): ClientHeartbeat {
  return { clientId, producerGroups: [], consumers: [], withoutSubscriptions: false, ...more };
}

function from(connection: ServerConnection) {
  return { connection, language: 'JAVA', version: 475 };
}

function topic(name: string, expression = '*', version = 1): Subscription {
  return { topic: name, expression, version };
}

/** A client of one consumer group on a connection of its own. */
function join(clients: Clients, clientId: string, more: Partial<ClientConsumer> = {}): MemoryConnection {
  const client = memoryConnection();
  clients.register(heartbeat(clientId, { consumers: [consumer('g', more)] }), from(client.connection));
  return client;
}

function idsOf(clients: Clients, group = 'g'): string[] {
  return clients.consumersOf(group).map(({ clientId }) => clientId);
}

/** How many notices of its group each has. */
async function noticeCounts(...all: MemoryConnection[]): Promise<number[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return all.map(
    ({ written }) => written.filter(({ code, extFields }) => code === 40 && extFields['consumerGroup'] === 'g').length,
  );
}

async function closed(client: MemoryConnection): Promise<void> {
  client.stream.destroy();
  await client.connection.closed;
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a consumer', () => {
  test('is in its group from its heartbeat until its connection ends', async () => {
    const clients = createClients();
    const client = join(clients, 'a');
    expect(clients.consumersOf('g')).toEqual([
      expect.objectContaining({ clientId: 'a', connection: client.connection, language: 'JAVA', version: 475 }),
    ]);
    expect(clients.consumer('g', 'a')).toBe(clients.consumersOf('g')[0]);
    expect([clients.consumerGroups(), clients.groupInfo('g')?.consumeType]).toEqual([['g'], 'CONSUME_PASSIVELY']);
    await closed(client);
    expect([clients.consumersOf('g'), clients.consumerGroups(), clients.groupInfo('g')]).toEqual([[], [], undefined]);
  });

  test('that comes on a new connection is there once, and the late end of the old one changes nothing', async () => {
    const clients = createClients();
    const old = join(clients, 'a');
    const young = join(clients, 'a');
    await closed(old);
    expect(clients.consumersOf('g').map(({ connection }) => connection)).toEqual([young.connection]);
    expect(clients.leaveConsumers('g', 'a', old.connection)).toBe(false);
    expect(clients.leaveConsumers('g', 'a', young.connection)).toBe(true);
    expect(idsOf(clients)).toEqual([]);
  });

  test('whose connection has ended already is not taken in', async () => {
    const clients = createClients();
    const client = memoryConnection();
    await closed(client);
    const all = heartbeat('a', { consumers: [consumer('g')], producerGroups: ['p'] });
    expect(clients.register(all, from(client.connection))).toEqual([]);
    expect([idsOf(clients), clients.producersOf('p')]).toEqual([[], []]);
  });

  test('that was silent for 120 s goes, within 10 s', () => {
    holdTimers('setInterval', 'clearInterval', 'performance');
    const clients = createClients();
    const silent = join(clients, 'silent');
    const other = memoryConnection();
    const beat = () =>
      clients.register(
        heartbeat('other', { consumers: [consumer('g')], producerGroups: ['p'] }),
        from(other.connection),
      );
    for (let passedMs = 0; passedMs < silenceMsMax; passedMs += silenceCheckIntervalMs) {
      expect(idsOf(clients)).toContain('silent');
      beat();
      vi.advanceTimersByTime(silenceCheckIntervalMs);
    }
    vi.advanceTimersByTime(silenceCheckIntervalMs);
    expect(idsOf(clients)).toEqual(['other']);
    expect(silent.connection.isOpen).toBe(true);
    vi.advanceTimersByTime(silenceMsMax + silenceCheckIntervalMs);
    expect([idsOf(clients), clients.producerGroups(), vi.getTimerCount()]).toEqual([[], [], 0]);
  });
});

/** The time that notices rest stands still until it is told to go on. */
function holdTimers(...more: ('setInterval' | 'clearInterval' | 'performance')[]): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', ...more] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

describe('members of a group hear', () => {
  beforeEach(() => holdTimers());

  test('when one comes, goes, and reads other topics; not of what they know', async () => {
    const clients = createClients();
    const a = join(clients, 'a', { subscriptions: [topic('T')] });
    expect(await noticeCounts(a)).toEqual([1]);
    vi.advanceTimersByTime(noticeIntervalMs);
    const b = join(clients, 'b', { subscriptions: [topic('T')] });
    expect(await noticeCounts(a, b)).toEqual([2, 1]);
    const beat = (subscriptions: Subscription[]) =>
      clients.register(heartbeat('b', { consumers: [consumer('g', { subscriptions })] }), from(b.connection));
    vi.advanceTimersByTime(noticeIntervalMs);
    beat([topic('T')]);
    beat([topic('T', 'tag', 2)]);
    expect(await noticeCounts(a, b)).toEqual([2, 1]);
    beat([topic('T'), topic('U')]);
    expect(await noticeCounts(a, b)).toEqual([3, 2]);
    vi.advanceTimersByTime(noticeIntervalMs);
    await closed(b);
    expect(await noticeCounts(a, b)).toEqual([4, 2]);
  });

  test('nothing where the group says so, nor where each gets all messages', async () => {
    const quiet = createClients({ get: () => ({ notifyConsumerIdsChanged: false }) });
    const broadcasting = createClients();
    const messageModel = 'BROADCASTING';
    const all = [join(quiet, 'a'), join(quiet, 'b'), join(broadcasting, 'a', { messageModel })];
    expect(await noticeCounts(...all)).toEqual([0, 0, 0]);
  });

  test('also after one that takes nothing any more', async () => {
    const clients = createClients();
    const stuck = memoryConnection({ unsentBytesMax: 1 }, false);
    clients.register(heartbeat('stuck', { consumers: [consumer('g')] }), from(stuck.connection));
    vi.advanceTimersByTime(noticeIntervalMs);
    const a = join(clients, 'a');
    expect(stuck.connection.isBackedUp).toBe(true);
    expect(await noticeCounts(a)).toEqual([1]);
  });

  test('of a thousand that come together once', async () => {
    const clients = createClients();
    const all = Array.from({ length: 1_000 }, (_, index) =>
      join(clients, `c${index}`, { subscriptions: [topic('T')] }),
    );
    expect(idsOf(clients)).toHaveLength(1_000);
    vi.advanceTimersByTime(noticeIntervalMs);
    expect(await noticeCounts(...all)).toEqual([2, ...new Array(999).fill(1)]);
    await Promise.all(all.map(closed));
    expect([idsOf(clients), clients.groupInfo('g')]).toEqual([[], undefined]);
  });
});

describe('subscriptions of a group', () => {
  test('are those of all its members, of one topic the newest', async () => {
    const clients = createClients();
    join(clients, 'a', { subscriptions: [topic('T', 'old', 1), topic('U')] });
    const b = join(clients, 'b', { subscriptions: [topic('T', 'new', 2), topic('V')] });
    const topics = () => [...(clients.groupInfo('g')?.subscriptions.keys() ?? [])].toSorted();
    expect([clients.subscription('g', 'T')?.expression, topics()]).toEqual(['new', ['T', 'U', 'V']]);
    expect([clients.groupsOfTopic('V'), clients.groupsOfTopic('W')]).toEqual([['g'], []]);
    await closed(b);
    expect([clients.subscription('g', 'T')?.expression, topics()]).toEqual(['old', ['T', 'U']]);
    expect(clients.subscription('none', 'T')).toBeUndefined();
  });

  test('follow a member that says others', () => {
    const clients = createClients();
    const { connection } = join(clients, 'a', { subscriptions: [topic('T', 'x', 1)] });
    const say = (subscription: Subscription) =>
      clients.register(
        heartbeat('a', { consumers: [consumer('g', { subscriptions: [subscription] })] }),
        from(connection),
      );
    for (const subscription of [
      topic('T', 'y', 2),
      topic('T', 'z', 2),
      { ...topic('T', 'z', 2), expressionType: 'SQL92' },
    ]) {
      say(subscription);
      expect(clients.subscription('g', 'T')).toEqual(subscription);
    }
  });

  test('stay where a heartbeat has none because they are the same', () => {
    const clients = createClients();
    const { connection } = join(clients, 'a', { subscriptions: [topic('T')] });
    const without = (clientId: string) =>
      heartbeat(clientId, { consumers: [consumer('g')], withoutSubscriptions: true });
    clients.register(without('a'), from(connection));
    expect(clients.subscription('g', 'T')).toEqual(topic('T'));
    clients.register(without('b'), from(memoryConnection().connection));
    expect(clients.consumer('g', 'b')?.subscriptions).toEqual([topic('T')]);
    clients.register(heartbeat('a', { consumers: [consumer('g')] }), from(connection));
    clients.leaveConsumers('g', 'b', clients.consumer('g', 'b')?.connection ?? connection);
    expect(clients.subscription('g', 'T')).toBeUndefined();
  });
});

describe('producers', () => {
  function produce(clients: Clients, clientId: string, groups: string[], takes = true): MemoryConnection {
    const client = memoryConnection({ unsentBytesMax: 1 }, takes);
    clients.register(heartbeat(clientId, { producerGroups: groups }), from(client.connection));
    return client;
  }

  test('are told as new once', () => {
    const clients = createClients();
    const { connection } = memoryConnection();
    const beat = () => clients.register(heartbeat('a', { producerGroups: ['p', 'q'] }), from(connection));
    expect([beat(), beat()]).toEqual([['p', 'q'], []]);
    clients.leaveProducers('p', 'a', memoryConnection().connection);
    expect(beat()).toEqual([]);
    clients.leaveProducers('p', 'a', connection);
    expect([clients.producerGroups(), beat()]).toEqual([['q'], ['p']]);
  });

  test('take turns, but for those that are gone or take nothing', async () => {
    const clients = createClients();
    const all = ['a', 'b', 'c'].map((id) => produce(clients, id, ['p']));
    const next = () => clients.producerConnection('p');
    const three = () => new Set([next(), next(), next()]);
    expect(three()).toEqual(new Set(all.map(({ connection }) => connection)));
    const [a, b] = all;
    if (a === undefined || b === undefined) throw new Error('there are three');
    await closed(a);
    const stuck = produce(clients, 'stuck', ['p'], false);
    stuck.connection.sendOneWay({ code: 39, extFields: {} });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stuck.connection.isBackedUp).toBe(true);
    expect(three()).toEqual(new Set(all.slice(1).map(({ connection }) => connection)));
    for (const other of all.slice(1)) await closed(other);
    expect(next()).toBe(stuck.connection);
    await closed(stuck);
    expect([next(), clients.producerConnection('none')]).toEqual([undefined, undefined]);
  });

  test('are found by their client id, by the connection that spoke last', async () => {
    const clients = createClients();
    const first = produce(clients, 'a', ['p']);
    const last = produce(clients, 'a', ['q']);
    expect(clients.findByClientId('a')).toBe(last.connection);
    await closed(last);
    expect(clients.findByClientId('a')).toBe(first.connection);
    join(clients, 'consumer');
    expect([clients.findByClientId('consumer'), clients.findByClientId('b')]).toEqual([undefined, undefined]);
  });
});

describe('limits', () => {
  function busy(text: string): unknown {
    return expect.objectContaining({ name: 'RequestRefused', code: 2, message: expect.stringContaining(text) });
  }

  test('bound the places in groups; who has one keeps it', () => {
    const clients = createClients(noSettings, { ...clientsDefaults, memberCountMax: 3 });
    const { connection } = memoryConnection();
    const full = heartbeat('a', { consumers: [consumer('g'), consumer('h')], producerGroups: ['p'] });
    for (let count = 0; count < 2; count += 1) clients.register(full, from(connection));
    expect(() => join(clients, 'b')).toThrow(busy('3 places in groups are taken'));
    expect(idsOf(clients)).toEqual(['a']);
    clients.leaveConsumers('h', 'a', connection);
    join(clients, 'b');
    expect(idsOf(clients)).toEqual(['a', 'b']);
  });

  test('bound the text that is kept', () => {
    const clients = createClients(noSettings, { ...clientsDefaults, textLengthMax: 100 });
    const of = (length: number) => ({ subscriptions: [topic('T', 'x'.repeat(length - 'gaT'.length))] });
    join(clients, 'a', of(100));
    expect(() => join(clients, 'a', of(101))).toThrow(busy('more than 100 characters'));
    expect(() => join(clients, 'b')).toThrow(busy('more than 100 characters'));
    join(clients, 'a', of(98));
    join(clients, 'b');
    expect(idsOf(clients)).toEqual(['a', 'b']);
  });
});

test('after the end nobody is taken in, and no timer stays', () => {
  holdTimers('setInterval', 'clearInterval');
  const clients = createClients();
  join(clients, 'a');
  expect(vi.getTimerCount()).toBe(2);
  clients.close();
  join(clients, 'b');
  expect([vi.getTimerCount(), idsOf(clients)]).toEqual([0, ['a']]);
});
