/** What a handler knows of its call. */

import { describe, expect, test } from 'vitest';
import { ended } from '../../src/basics/ending.ts';
import type { GrpcCall } from '../../src/grpc/call.ts';
import { CANCEL } from '../support/raw-http2.ts';
import { patient, prefixed, ServedGrpc, statusOfAnswer, unary } from '../support/served-grpc.ts';

const path = '/a.B/Call';

/** Gives away the calls that it is called for, and answers none. */
async function held() {
  const calls: GrpcCall[] = [];
  const hold = unary((_, call) => {
    calls.push(call);
    return new Promise(() => {});
  });
  const client = await (await ServedGrpc.start({ [path]: hold })).rawClient();
  const open = async (fields: Record<string, string> = {}) => {
    const id = client.open(path, fields);
    client.data(id, prefixed(''), true);
    await client.settled();
    const call = calls.at(-1);
    if (call === undefined) throw new Error('the handler was not called');
    return { id, call };
  };
  return { client, open };
}

describe('GrpcCall', () => {
  test('ends when its caller cancels it', async () => {
    const { client, open } = await held();
    const { call, id } = await open();
    expect(call.end.aborted).toBe(false);
    client.reset(id, CANCEL);
    await ended(call.end);
    expect(call.hasTimedOut).toBe(false);
  });

  test('is aborted when its connection is lost', async () => {
    const { client, open } = await held();
    const { call } = await open();
    client.client.socket.destroy();
    await expect.poll(() => call.end.aborted, patient).toBe(true);
  });

  test('can be cut, once, and then is as one whose caller has gone', async () => {
    const { client, open } = await held();
    const { call, id } = await open();
    call.cut();
    call.cut();
    expect(call.end.aborted).toBe(true);
    expect((await client.answer(id)).resetCode).toBe(11);
  });

  test('tells what the caller left of its deadline', async () => {
    const { open } = await held();
    expect((await open({ 'grpc-timeout': '7S' })).call.timeoutMs).toBe(7_000);
    expect((await open({ 'grpc-timeout': '99999999H' })).call.timeoutMs).toBeUndefined();
    expect((await open()).call.timeoutMs).toBeUndefined();
  });

  test.each(['30m', '0n'])('fails after %s where its handler says nothing', async (timeout) => {
    const { client, open } = await held();
    const { call, id } = await open({ 'grpc-timeout': timeout });
    expect(statusOfAnswer(await client.answer(id))).toBe('4 the deadline of the call has passed');
    expect(call.hasTimedOut).toBe(true);
    expect(call.end.aborted).toBe(true);
  });

  test('lets a handler say how a call ends whose deadline has passed', async () => {
    const late = unary((_, call) => ended(call.end).then(() => 'late'));
    const client = await (await ServedGrpc.start({ [path]: late })).rawClient();
    expect((await client.call(path, prefixed(''), { 'grpc-timeout': '5m' })).body).toEqual(prefixed('late'));
  });

  test('keeps also the longest deadline that a timer reaches', async () => {
    const { open } = await held();
    const { call } = await open({ 'grpc-timeout': '2147483S' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(call.hasTimedOut).toBe(false);
  });

  test('keeps no deadline once it is answered', async () => {
    const calls: GrpcCall[] = [];
    const answer = unary(async (_, call) => {
      calls.push(call);
      return '';
    });
    const client = await (await ServedGrpc.start({ [path]: answer })).rawClient();
    await client.call(path, prefixed(''), { 'grpc-timeout': '20m' });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(calls.map(({ end, hasTimedOut }) => [end.aborted, hasTimedOut])).toEqual([[false, false]]);
  });
});
