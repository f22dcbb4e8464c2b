import { ConnectError } from '@connectrpc/connect';

/** All that a caller sees of a call that fails. @throws Error where it does not fail. */
export async function failureTextOf(call: Promise<unknown>): Promise<string> {
  const reply = await call.catch(ConnectError.from);
  if (!(reply instanceof ConnectError)) throw new Error('the call did not fail');
  const { code, rawMessage, details } = reply;
  return JSON.stringify([code, rawMessage, details]);
}
