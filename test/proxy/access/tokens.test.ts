import { createHash } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { namesMax, Tokens, tokenCharsMax, tokensMax } from '../../../src/proxy/access/tokens.ts';

const hash = (token: string): string => createHash('sha256').update(token).digest('hex');
const fileOf = (content: unknown) => ({ PROXY_TOKENS_FILE: Buffer.from(JSON.stringify(content)) });
const tokensOf = (...tokens: object[]): Tokens => new Tokens(fileOf({ tokens }));
const web = { name: 'web', sha256: hash('t-web'), publish: ['orders'], subscribe: ['prices'], groups: ['page-*'] };

/** Name of the caller, or the code with which they are refused. */
function callerOf(tokens: Tokens, authorization: string | null): string {
  try {
    return tokens.caller(authorization).name;
  } catch (error) {
    return `${Code[ConnectError.from(error).code]}`;
  }
}

function refusalOf(content: unknown): string {
  try {
    new Tokens(fileOf(content));
    return 'taken';
  } catch (error) {
    return String(error);
  }
}

describe('tokens', () => {
  it('are known by their hashes, of which one name may have several', () => {
    const tokens = tokensOf(web, { name: 'app', sha256: [hash('old'), hash('new').toUpperCase()] });
    const given = ['Bearer t-web', 'bearer  t-web ', 'Bearer old', 'Bearer new'];
    expect(given.map((header) => callerOf(tokens, header))).toEqual(['web', 'web', 'app', 'app']);
  });

  it('that are missing, unknown, too long or in another form are refused alike', () => {
    const long = 'x'.repeat(tokenCharsMax);
    const tokens = tokensOf(web, { name: 'long', sha256: hash(long) }, { name: 'over', sha256: hash(`${long}x`) });
    expect(callerOf(tokens, `Bearer ${long}`)).toBe('long');
    const bad = [
      null,
      '',
      'Bearer',
      'Bearer ',
      'Basic t-web',
      't-web',
      'Bearer t-web2',
      `Bearer ${long}x`,
      `Bearer ${web.sha256}`,
    ];
    expect(bad.map((header) => callerOf(tokens, header))).toEqual(bad.map(() => 'Unauthenticated'));
    const texts = bad.map((header) => {
      try {
        return tokens.caller(header).name;
      } catch (error) {
        return String(error);
      }
    });
    expect(new Set(texts).size).toBe(1);
  });

  it('give their rights and their cluster', () => {
    const target = { endpoint: 'mq:9876', access_key_id: 'id', access_key_secret: 'secret' };
    const caller = tokensOf({ ...web, ...target }).caller('Bearer t-web');
    expect(() => caller.checkPublish('orders')).not.toThrow();
    expect(() => caller.checkPublish('prices')).toThrow('may not send');
    expect(() => caller.checkSubscribe('prices', 'page-1')).not.toThrow();
    const nothing = { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' };
    expect(caller.target(nothing, (text) => text)).toEqual({
      endpoint: 'mq:9876',
      accessKeyId: 'id',
      accessKeySecret: 'secret',
      instanceId: '',
    });
  });

  it('may do nothing that their entry does not name', () => {
    const caller = tokensOf({ name: 'bare', sha256: hash('t') }).caller('Bearer t');
    expect(() => caller.checkPublish('orders')).toThrow('may not send');
    expect(() => caller.checkSubscribe('prices', 'g')).toThrow('may not receive');
  });

  it('that changed or are gone end their callers; those that are the same stay', () => {
    const other = { ...web, name: 'other', sha256: hash('t-other') };
    const gone = { ...web, name: 'gone', sha256: hash('t-gone') };
    const tokens = tokensOf(web, other, gone);
    const before = ['web', 'other', 'gone'].map((name) => tokens.caller(`Bearer t-${name}`));
    tokens.replace(fileOf({ tokens: [{ ...other, publish: ['more'] }, web] }));
    expect(before.map(({ hasEnded }) => hasEnded)).toEqual([false, true, true]);
    expect(tokens.caller('Bearer t-web')).toBe(before[0]);
    expect(callerOf(tokens, 'Bearer t-gone')).toBe('Unauthenticated');
    expect(() => tokens.caller('Bearer t-other').checkPublish('more')).not.toThrow();
  });

  it('stay where a new file is refused', () => {
    const tokens = tokensOf(web);
    expect(() => tokens.replace({ PROXY_TOKENS_FILE: Buffer.from('canary') })).toThrow(/is not JSON(?!.*canary)/);
    expect(tokens.caller('Bearer t-web').hasEnded).toBe(false);
  });

  it.each<[string, unknown, string]>([
    ['no list', {}, '"tokens" is not a list'],
    ['a list alone', [], '"tokens" is not a list'],
    ['no object', { tokens: [1] }, 'token 1 is not an object'],
    ['no name', { tokens: [{ sha256: hash('t') }] }, 'token 1 needs a name'],
    ['no hash', { tokens: [{ name: 'a' }] }, 'token a needs its sha256'],
    ['a token for its hash', { tokens: [{ name: 'a', sha256: 'canary' }] }, 'token a needs its sha256'],
    ['a field that is none', { tokens: [{ ...web, topic: [] }] }, '"topic", which is no field'],
    ['a name that is none', { tokens: [{ ...web, publish: ['a*b'] }] }, 'publish of token web must have names'],
    ['one name for a list', { tokens: [{ ...web, groups: 'g' }] }, '"groups" is not a list'],
    ['keys without endpoint', { tokens: [{ ...web, access_key_id: 'a' }] }, 'needs their endpoint'],
    ['a key that is no text', { tokens: [{ ...web, endpoint: 'a', access_key_id: 1 }] }, 'access_key_id of token web'],
    ['one name twice', { tokens: [web, { ...web, sha256: hash('x') }] }, 'two tokens have the name web'],
    ['one hash twice', { tokens: [web, { ...web, name: 'x' }] }, 'two tokens have the sha256'],
  ])('with %s are refused', (_, content, text) => {
    expect(refusalOf(content)).toContain(text);
    expect(refusalOf(content)).not.toContain('canary');
  });

  it('are up to 10,000, with up to 1,000 names in a list', () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => ({ name: `n${n}`, sha256: hash(`${n}`) }));
    expect(refusalOf({ tokens: many(tokensMax) })).toBe('taken');
    expect(refusalOf({ tokens: many(tokensMax + 1) })).toContain('at most 10000');
    const names = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`);
    expect(refusalOf({ tokens: [{ ...web, publish: names(namesMax) }] })).toBe('taken');
    expect(refusalOf({ tokens: [{ ...web, publish: names(namesMax + 1) }] })).toContain('more than 1000 names');
  });
});
