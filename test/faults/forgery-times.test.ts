/** whatever is wrong with an id, its sender learns no more of it by the time that the answer takes. */
import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { anyone } from '../../src/proxy/access/caller.ts';
import { Engines } from '../../src/proxy/engines.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { Sessions } from '../../src/proxy/session/sessions.ts';
import { failureTextOf } from '../support/failure-text.ts';
import { SettingFolder } from '../support/setting-files.ts';
import {
  clientOf,
  type ProxyClient,
  proxyOptions,
  startTestCluster,
  startTestProxy,
  testSealKey,
} from '../support/started-proxy.ts';
import { percentile, Row } from './figures.ts';

/** Calls of each cause that are not counted, until all code has run often enough. */
const warmUpCount = 100;
/** Fewest calls of each cause, by turns, and how long there may be more where the machine has much other work. */
const callsMin = 300;
const timeoutMs = 30_000;
/** Of so many of a hundred calls the longest counts: of calls that nothing else on the machine disturbed. */
const undisturbed = 10;
/** What it may be over that of the quickest cause. */
const differenceMax = 0.1;
/** How often the same calls are dealt out anew, to see what differs by chance where two cores have other work. */
const dealCount = 50;
/** Looks are measured in rounds of so many, and the quickest round counts. */
const looksPerRound = 20;
const roundCount = 200;
/** What looks at ids may differ by, in µs: a tenth of the quickest call that any client makes over a network. */
const lookDifferenceMicrosMax = 30;

/** A proxy with two tenants, and bad ids of one of them by what is wrong with them. */
async function startProxyWithForgeries() {
  const { cluster } = await startTestCluster();
  const tenants = ['tenant', 'other'].map((name) => {
    const token = randomBytes(32).toString('hex');
    const sha256 = createHash('sha256').update(token).digest('hex');
    return { entry: { name, sha256, publish: ['*'] }, headers: { authorization: `Bearer ${token}` } };
  });
  const tokens = { tokens: tenants.map(({ entry }) => entry) };
  const tokensFile = new SettingFolder().write('tokens.json', JSON.stringify(tokens));
  const start = async (sealKey: Buffer): Promise<ProxyClient> =>
    clientOf((await startTestProxy({ tokensFile, sealer: new Sealer([sealKey]) })).port);
  const [client, same, strange] = [await start(testSealKey), await start(testSealKey), await start(randomBytes(32))];
  const [by, byOther] = tenants;
  const create = async (at: ProxyClient, tenant = by): Promise<string> =>
    (await at.createProducer({ topic: 'topic', endpoint: cluster.nameServer.address }, tenant)).producerId;
  const genuine = await create(client);
  const cleaned = await create(client);
  await client.cleanupProducer({ producerId: cleaned }, by);
  const causes: Readonly<Record<string, string>> = {
    ...forgeriesOf(Buffer.from(genuine, 'base64url')),
    'of another key, as after a key has expired': await create(strange),
    'of another tenant': await create(client, byOther),
    'of another tenant, at another instance': await create(same, byOther),
    'cleaned up': cleaned,
  };
  const call = (producerId: string): Promise<unknown> => client.sendMessage({ producerId, messageBody: 'x' }, by);
  return { causes, genuine, call };
}

/** Ids that nobody gave out. */
function forgeriesOf(genuine: Buffer): Readonly<Record<string, string>> {
  const counterEnd = 29;
  const forged = [genuine.subarray(0, counterEnd), randomBytes(genuine.length - counterEnd)];
  return {
    garbage: randomBytes(genuine.length).toString('base64url'),
    'forged behind a genuine beginning': Buffer.concat(forged).toString('base64url'),
    'a bit altered': flipped(genuine, genuine.length - 30).toString('base64url'),
    'a bit of the salt altered': flipped(genuine, 10).toString('base64url'),
    'cut by a byte': genuine.subarray(0, -1).toString('base64url'),
    'none at all': '',
  };
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** How much longer the slowest cause takes than the quickest. */
function difference(times: ReadonlyMap<string, readonly number[]>): number {
  const undisturbedMs = [...times.values()].map((each) => percentile(each, undisturbed));
  return Math.max(...undisturbedMs) / Math.min(...undisturbedMs) - 1;
}

/** The most that it is when the calls of each turn are dealt out to the causes at random. */
function differenceByChance(times: ReadonlyMap<string, readonly number[]>): number {
  const causes = [...times.keys()];
  const turns = [...(times.get(causes[0] ?? '')?.keys() ?? [])].map((turn) =>
    [...times.values()].map((each) => each[turn] ?? 0),
  );
  const deal = (): Map<string, number[]> => {
    const dealt = turns.map(shuffled);
    return new Map(causes.map((cause, index) => [cause, dealt.map((turn) => turn[index] ?? 0)]));
  };
  return Math.max(...Array.from({ length: dealCount }, () => difference(deal())));
}

function shuffled(values: readonly number[]): number[] {
  const keyed = values.map((value) => ({ value, key: Math.random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
}

/** From another one on each time. */
function turned<T>(all: readonly T[], by: number): T[] {
  const start = by % all.length;
  return [...all.slice(start), ...all.slice(0, start)];
}

it('R-61: bad ids are answered by the same text, in the same time', { timeout: 300_000 }, async () => {
  const { causes, genuine, call } = await startProxyWithForgeries();
  await call(genuine);
  const texts = new Set<string>();
  const times = new Map(Object.keys(causes).map((cause) => [cause, [] as number[]]));
  const startMs = performance.now();
  let callCount = 0;
  while (callCount < callsMin || (difference(times) > differenceMax && performance.now() - startMs < timeoutMs)) {
    callCount += 1;
    for (const [cause, id] of turned(Object.entries(causes), callCount)) {
      const calledMs = performance.now();
      texts.add(await failureTextOf(call(id)));
      if (callCount > warmUpCount) times.get(cause)?.push(performance.now() - calledMs);
    }
  }
  const row = new Row('R-61').tell('calls of each cause', callCount);
  for (const [cause, each] of times)
    row.tell(`undisturbed call: ${cause}`, Math.round(percentile(each, undisturbed) * 1_000), 'µs');
  const byChance = differenceByChance(times);
  const percent = (share: number): number => Math.round(share * 1_000) / 10;
  row
    .exactly('different answers for all causes', texts.size, 1)
    .tell('longest over shortest where each turn is dealt out at random', percent(byChance), '%')
    .atMost('longest of these over the shortest', percent(difference(times)), percent(differenceMax + byChance), '%')
    .judge();
  expect([...texts][0]).toContain('producer_id is unknown here');
});

it('R-61: looks at bad ids cost nearly the same, whatever is wrong with them', { timeout: 120_000 }, () => {
  const options = proxyOptions();
  const engines = new Engines({ ...options, checkEndpoint: () => {}, brokerAllowed: () => true });
  const make = (key: Buffer): Sessions => new Sessions({ ...options, sealer: new Sealer([key]), engines });
  const [sessions, same, strange] = [make(testSealKey), make(testSealKey), make(randomBytes(32))];
  const target = { endpoint: '127.0.0.1:9876', accessKeyId: 'key', accessKeySecret: 'secret', topic: 'topic' };
  const create = (at: Sessions, owner = ''): string => at.createProducer({ ...target, owner });
  const [bytes, cleaned] = [Buffer.from(create(sessions), 'base64url'), create(sessions)];
  sessions.cleanUpProducer(cleaned, anyone);
  const causes = {
    ...forgeriesOf(bytes),
    'of another key': create(strange),
    'of another tenant': create(sessions, 'other'),
    'of another tenant, at another instance': create(same, 'other'),
    'cleaned up': cleaned,
  };
  const micros = new Map(Object.keys(causes).map((cause) => [cause, Number.POSITIVE_INFINITY]));
  let knownCount = 0;
  for (let round = 0; round < roundCount; round += 1) {
    for (const [cause, id] of Object.entries(causes)) {
      const startMs = performance.now();
      for (let count = 0; count < looksPerRound; count += 1) knownCount += isKnown(sessions, id) ? 1 : 0;
      const perLook = ((performance.now() - startMs) * 1_000) / looksPerRound;
      micros.set(cause, Math.min(micros.get(cause) ?? 0, perLook));
    }
  }
  const row = new Row('R-61').exactly('bad ids taken', knownCount, 0);
  for (const [cause, each] of micros) row.tell(`one look: ${cause}`, Math.round(each * 10) / 10, 'µs');
  const most = Math.max(...micros.values()) - Math.min(...micros.values());
  row.atMost('longest look less the shortest', Math.round(most * 10) / 10, lookDifferenceMicrosMax, 'µs').judge();
});

function isKnown(sessions: Sessions, id: string): boolean {
  try {
    sessions.producer(id, anyone);
    return true;
  } catch {
    return false;
  }
}
