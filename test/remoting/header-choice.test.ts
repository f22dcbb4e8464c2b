import { describe, expect, test } from 'vitest';
import { type Command, Serialization } from '../../src/remoting/command.ts';
import { requestOf } from '../../src/remoting/command-codec.ts';
import { HeaderChoice } from '../../src/remoting/header-choice.ts';
import { ProtocolVersion } from '../../src/remoting/version.ts';

const { JSON: json, ROCKETMQ: binary } = Serialization;
const send = (opaque: number): Command => requestOf({ code: 310, extFields: { a: '1' } }, opaque, 0);

describe('the headers of requests', () => {
  test('are binary once the server has answered one that was, which alone is tried', () => {
    const choice = new HeaderChoice(binary);
    expect(choice.next(send(1), undefined)).toBe(json);
    expect(choice.next(send(2), ProtocolVersion.V4_0_0)).toBe(binary);
    expect(choice.isUnproven).toBe(true);
    expect(choice.next(send(3), ProtocolVersion.V4_0_0)).toBe(json);
    expect(choice.known).toBe(json);
    choice.answered(3);
    expect(choice.next(send(4), ProtocolVersion.V4_0_0)).toBe(json);
    choice.answered(2);
    expect(choice.isUnproven).toBe(false);
    expect(choice.next(send(5), ProtocolVersion.V4_0_0)).toBe(binary);
    expect(choice.known).toBe(binary);
  });

  test('are JSON for servers that are older than binary headers', () => {
    const choice = new HeaderChoice(binary);
    expect(choice.next(send(1), ProtocolVersion.V4_0_0 - 1)).toBe(json);
    expect(choice.isUnproven).toBe(false);
  });

  test('are tried with a request that a binary header can carry', () => {
    const choice = new HeaderChoice(binary);
    const pop = requestOf({ code: 200_050, extFields: { topic: 'T' } }, 1, 0);
    expect(choice.next(pop, ProtocolVersion.V5_0_0)).toBe(json);
    expect(choice.next(requestOf({ code: 34, extFields: {} }, 2, 0), ProtocolVersion.V5_0_0)).toBe(json);
    expect(choice.next(send(3), ProtocolVersion.V5_0_0)).toBe(binary);
  });

  test('are JSON where that is wanted', () => {
    const choice = new HeaderChoice(json);
    expect(choice.next(send(1), ProtocolVersion.V5_0_0)).toBe(json);
    choice.answered(0);
    expect(choice.known).toBe(json);
  });
});
