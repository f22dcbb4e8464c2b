import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { notification } from '../../remoting/requests/notification.ts';
import { pollingInfo } from '../../remoting/requests/polling-info.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { readablePlace } from '../pop/pop-place.ts';
import { hasMessages } from '../pop/take-messages.ts';
import { holdPoll, isQuiet, noteQuiet } from './hold-poll.ts';

export const notificationProcessors: ProcessorTable = [
  [RequestCode.NOTIFICATION, notify],
  [RequestCode.POLLING_INFO, countPolls],
];

async function notify(request: Command, connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = notification.decode(request);
  const place = await readablePlace(fields, engine);
  engine.pops.makeVisible();
  const answer = (hasMessage: boolean, pollingFull = false): Answer => notification.answer({ hasMessage, pollingFull });
  const look = (): Answer | undefined => {
    if (hasMessages(place, engine)) return answer(true);
    noteQuiet(place, engine);
    return undefined;
  };
  const found = look();
  if (found !== undefined) return found;
  if (fields.pollDurationMs <= 0) return answer(false);
  const poll = {
    place,
    durationMs: fields.pollDurationMs,
    look: () => (isQuiet(place, engine) ? undefined : look()),
    nothing: () => answer(false),
    full: () => answer(false, true),
  };
  return holdPoll(poll, connection, engine);
}

async function countPolls(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const place = await readablePlace(pollingInfo.decode(request), engine);
  return pollingInfo.answer({ pollCount: engine.pops.polls.get(place) });
}
