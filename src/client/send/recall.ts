import type { Channel } from '../../remoting/channel.ts';
import type { Command, CommandContent } from '../../remoting/command.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { ResponseError } from '../../remoting/errors.ts';
import { recallMessage } from '../../remoting/requests/recall-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import type { ClientOptions } from '../options.ts';

type Parts = Pick<ClientOptions, 'producerGroup' | 'requestTimeoutMs'> & { readonly cluster: Cluster };

/** How a broker 5.3 or newer begins all its refusals of a recall (Java `RecallMessageProcessor`): those of its access control do not. */
const refusal = /^recall failed/;

/** Takes back messages that wait for their time. */
export class Recalls {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Takes back a message that was sent to be delivered at a time. Apache's brokers say yes to every handle whose time has not come, whether
   * or not they have such a message; in the last seconds before that time the message may come all the same.
   * @param recallHandle of the `SendResult`.
   * @returns the message's id.
   * @throws ClientError `invalid` for a handle that is none; `unsupported` where the broker is older than 5.3 or does not allow it;
   * `expired` when its time has come; `noRoute`, `noBroker`, `denied`; ResponseError; RemotingError.
   */
  async recall(topic: string, recallHandle: string, deadline: Deadline): Promise<string> {
    const { cluster, producerGroup, requestTimeoutMs } = this.#parts;
    const brokerName = brokerNameOf(recallHandle);
    const route = await cluster.routes.find(topic, deadline);
    if (route === undefined) throw new ClientError('noRoute', `topic ${topic} does not exist`);
    const attempt = deadline.atMost(requestTimeoutMs);
    // The handle only chooses among the brokers of the route.
    const channel = await cluster.broker(route, brokerName, attempt);
    const content = recallMessage.encode({ producerGroup, topic, recallHandle, brokerName });
    const reply = await askTo(channel, content, attempt);
    switch (reply.code) {
      case ResponseCode.REQUEST_CODE_NOT_SUPPORTED:
        throw unsupported(
          'it is older than RocketMQ 5.3',
          new ResponseError(reply.code, reply.remark ?? '', channel.address),
        );
      case ResponseCode.ILLEGAL_OPERATION:
        throw new ClientError(
          'expired',
          'the message cannot be recalled any more: its time has come, or the handle is of another topic',
          new ResponseError(reply.code, reply.remark ?? '', channel.address),
        );
      default:
        return recallMessage.decodeReply(reply, channel.address).messageId;
    }
  }
}

/** @throws ClientError `unsupported` where the broker is set up so. */
async function askTo(channel: Channel, content: CommandContent, deadline: Deadline): Promise<Command> {
  try {
    return await channel.invoke(content, deadline);
  } catch (error) {
    const reason = error instanceof ClientError ? error.cause : undefined;
    if (!(reason instanceof ResponseError) || !refusal.test(reason.remark)) throw error;
    throw unsupported('it does not allow it: set recallMessageEnable=true there', reason);
  }
}

function unsupported(why: string, cause: ResponseError): ClientError {
  return new ClientError('unsupported', `the broker cannot take the message back: ${why}`, cause);
}

/** The broker that has the message (Java `RecallMessageHandle`: version, topic, broker name, time, message id). @throws ClientError `invalid`. */
function brokerNameOf(recallHandle: string): string {
  const text = /^[\w-]+={0,2}$/.test(recallHandle) ? Buffer.from(recallHandle, 'base64url').toString() : '';
  const [version, , brokerName, , messageId] = text.split(' ');
  if (version === 'v1' && brokerName !== undefined && brokerName !== '' && messageId !== undefined) return brokerName;
  throw new ClientError('invalid', 'the recall handle is none: give the one that the send has returned');
}
