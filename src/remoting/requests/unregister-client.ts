import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** Takes a group of a client off a broker at once (Java `UnregisterClientRequestHeader`). */
export const unregisterClient = defineRequest({
  code: RequestCode.UNREGISTER_CLIENT,
  name: 'UNREGISTER_CLIENT',
  request: {
    clientId: { wire: 'clientID', kind: 'string' },
    producerGroup: { kind: 'string', optional: true },
    consumerGroup: { kind: 'string', optional: true },
  },
  reply: {},
});
