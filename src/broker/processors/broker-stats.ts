import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { encodeBrokerStats, getBrokerStats } from '../../remoting/requests/broker-info.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';
import type { CountedTimes } from '../statistics.ts';

export const brokerStatsProcessors: ProcessorTable = [[RequestCode.VIEW_BROKER_STATS_DATA, brokerStats]];

function brokerStats(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { statsName, statsKey } = getBrokerStats.decode(request);
  const found = find(statsName, statsKey, engine);
  if (found !== undefined) return getBrokerStats.answer({}, { body: encodeBrokerStats(found) });
  const remark = `nothing was counted as ${statsName.slice(0, 100)} of ${statsKey.slice(0, 500)}`;
  throw new RequestRefused(ResponseCode.SYSTEM_ERROR, remark);
}

/** By the names of Java's `Stats`. */
function find(name: string, key: string, { statistics, options }: Engine): CountedTimes | undefined {
  switch (name) {
    case 'TOPIC_PUT_NUMS':
      return statistics.putTo(key);
    case 'GROUP_GET_NUMS': {
      const [topic = '', group = ''] = key.split('@');
      return statistics.gotFrom(topic, group);
    }
    case 'BROKER_PUT_NUMS':
      return key === options.clusterName ? statistics.putToBroker() : undefined;
    case 'BROKER_GET_NUMS':
      return key === options.clusterName ? statistics.gotFromBroker() : undefined;
    default:
      return undefined;
  }
}
