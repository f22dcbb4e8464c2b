import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  CredentialsKeeper,
  type CredentialsProvider,
  failureHoldMs,
  providerPauseMs,
  providerTimeoutMs,
  refreshAheadMs,
} from '../../../src/client/cluster/credentials.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const soon = (): Deadline => Deadline.after(60_000);
const keys = { accessKey: 'ak', secretKey: 'sk' };
const hourMs = 3_600_000;

describe('CredentialsKeeper', () => {
  const log = new MemoryLog();
  const vendor = 'apache';
  let keeper: CredentialsKeeper;

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    keeper.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  /** Gives credentials that are numbered and live for so long, or fails. */
  function providerOf(...livesMs: (number | Error)[]): { readonly provide: CredentialsProvider; count: number } {
    const provider = {
      count: 0,
      provide: async () => {
        const life = livesMs[provider.count] ?? hourMs;
        provider.count += 1;
        if (life instanceof Error) throw life;
        return { ...keys, securityToken: `token-${provider.count}`, expiresAtMs: Date.now() + life };
      },
    };
    return provider;
  }

  test('keeps what does not end, or nothing, and has nothing to wait for', async () => {
    for (const credentials of [keys, undefined]) {
      keeper = new CredentialsKeeper({ credentials, vendor, log });
      expect(keeper.isReady).toBe(true);
      await keeper.ready(soon());
      expect(keeper.current).toEqual(credentials);
    }
  });

  test('tells brokers of Alibaba Cloud its channel, and the one that is set rather than the default', () => {
    const current = (credentials: typeof keys & { onsChannel?: string }) => {
      keeper = new CredentialsKeeper({ credentials, vendor: 'aliyun', log });
      return keeper.current;
    };
    expect(current(keys)).toEqual({ ...keys, onsChannel: 'ALIYUN' });
    expect(current({ ...keys, onsChannel: 'CLOUD' })).toEqual({ ...keys, onsChannel: 'CLOUD' });
  });

  test('asks a provider once for all who wait, and again before its credentials end', async () => {
    const provider = providerOf(hourMs, hourMs);
    keeper = new CredentialsKeeper({ credentials: provider.provide, vendor, log });
    expect(keeper.current).toBeUndefined();
    expect(keeper.isReady).toBe(false);
    await Promise.all([keeper.ready(soon()), keeper.ready(soon())]);
    expect(keeper.current).toEqual({ ...keys, securityToken: 'token-1' });
    await vi.advanceTimersByTimeAsync(hourMs - refreshAheadMs - 1);
    expect(provider.count).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(provider.count).toBe(2);
    expect(keeper.current).toMatchObject({ securityToken: 'token-2' });
  });

  test('asks again at half time where credentials do not live for long', async () => {
    const provider = providerOf(60_000, hourMs);
    keeper = new CredentialsKeeper({ credentials: provider.provide, vendor, log });
    await keeper.ready(soon());
    await vi.advanceTimersByTimeAsync(29_999);
    expect(provider.count).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(provider.count).toBe(2);
  });

  test('waits for no timer longer than there are', async () => {
    const provider = providerOf(400 * 24 * hourMs, hourMs);
    keeper = new CredentialsKeeper({ credentials: provider.provide, vendor, log });
    await keeper.ready(soon());
    await vi.advanceTimersByTimeAsync(2 ** 31 - 2);
    expect(provider.count).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(provider.count).toBe(2);
  });

  test('keeps what holds while the provider fails, and asks it again and again', async () => {
    const provider = providerOf(600_000, new Error('down'), new Error('down'), hourMs);
    keeper = new CredentialsKeeper({ credentials: provider.provide, vendor, log });
    await keeper.ready(soon());
    await vi.advanceTimersByTimeAsync(300_000);
    expect(provider.count).toBe(2);
    expect(keeper.isReady).toBe(true);
    expect(keeper.current).toMatchObject({ securityToken: 'token-1' });
    expect(log.troubles).toEqual(['credentials could not be refreshed; trying again']);
    await vi.advanceTimersByTimeAsync(2 * providerPauseMs);
    expect(provider.count).toBe(4);
    expect(keeper.current).toMatchObject({ securityToken: 'token-4' });
  });

  test.each([
    ['fails', async () => Promise.reject(new Error('no access'))],
    ['gives what has ended', async () => ({ ...keys, expiresAtMs: Date.now() })],
    ['gives no time', async () => ({ ...keys, expiresAtMs: Number.NaN })],
  ])('says so where the provider %s', async (_, credentials) => {
    const provide = vi.fn<CredentialsProvider>(credentials);
    keeper = new CredentialsKeeper({ credentials: provide, vendor, log });
    const failure = { kind: 'unauthenticated', cause: expect.any(Error) };
    await expect(keeper.ready(soon())).rejects.toMatchObject(failure);
    expect(keeper.current).toBeUndefined();
    // All who need some meanwhile are told the same.
    await expect(keeper.ready(soon())).rejects.toMatchObject(failure);
    expect(provide).toHaveBeenCalledTimes(1);
    vi.setSystemTime(Date.now() + failureHoldMs);
    await expect(keeper.ready(soon())).rejects.toMatchObject(failure);
    expect(provide).toHaveBeenCalledTimes(2);
  });

  test('gives a provider so much time, and its callers no more than they have', async () => {
    let signal: AbortSignal | undefined;
    const credentials: CredentialsProvider = (given) => {
      signal = given;
      return new Promise(() => {});
    };
    keeper = new CredentialsKeeper({ credentials, vendor, log });
    const short = expect(keeper.ready(Deadline.after(1_000))).rejects.toMatchObject({ kind: 'timeout' });
    const long = expect(keeper.ready(soon())).rejects.toMatchObject({ kind: 'unauthenticated' });
    await vi.advanceTimersByTimeAsync(1_000);
    await short;
    await vi.advanceTimersByTimeAsync(providerTimeoutMs - 1_000);
    await long;
    keeper.close();
    expect(signal?.aborted).toBe(true);
  });
});
