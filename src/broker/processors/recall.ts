import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { recallMessage } from '../../remoting/requests/recall-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { readRecallHandle } from '../recall-handle.ts';
import { RequestRefused } from '../refused.ts';

export const recallProcessors: ProcessorTable = [[RequestCode.RECALL_MESSAGE, recall]];

/** Java `RecallMessageProcessor`; unlike there, success means that the message was there and will not come. */
async function recall(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { topic, recallHandle } = recallMessage.decode(request);
  const { brokerName, clock } = engine.options;
  engine.topics.require(topic);
  const handle = readRecallHandle(recallHandle);
  if (handle.topic !== topic) throw refused(`it is for topic ${handle.topic}`);
  if (handle.brokerName !== brokerName) throw refused(`it is for broker ${handle.brokerName}, this is ${brokerName}`);
  if (handle.deliverMs <= clock.now()) throw refused('its time has come');
  if (await engine.delayed.recall(topic, handle.messageId))
    return recallMessage.answer({ messageId: handle.messageId });
  throw refused('no such message waits');
}

function refused(why: string): RequestRefused {
  return new RequestRefused(ResponseCode.ILLEGAL_OPERATION, `the message cannot be recalled: ${why}`);
}
