import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { checkClientConfig, decodeClientConfig } from '../../remoting/requests/check-client-config.ts';
import type { ProcessorTable } from '../engine.ts';
import { createFilter } from '../filters/message-filter.ts';

export const checkClientConfigProcessors: ProcessorTable = [[RequestCode.CHECK_CLIENT_CONFIG, check]];

/** @throws FilterError where the engine cannot filter by the subscription. */
function check(request: Command): Answer {
  const { subscription } = decodeClientConfig(request);
  if (subscription !== undefined) createFilter(subscription.expressionType, subscription.expression);
  return checkClientConfig.answer({});
}
